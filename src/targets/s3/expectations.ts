import type { Section } from '../../core/section.ts'

/** What the bucket must be set to; null where nothing is expected. */
export interface Expectations {
  readonly versioning: boolean | null
  readonly lock: DefaultLock | null
  /** Days after which the bucket aborts an unfinished upload by itself. */
  readonly abortDays: number | null
  readonly encryption: 'any' | 'sse-s3' | 'sse-kms' | null
  readonly privateOnly: boolean
}

/** What every new object of the bucket is locked with. */
export interface DefaultLock {
  readonly mode: 'COMPLIANCE' | 'GOVERNANCE'
  readonly days: number
}

/** Reads `expect:`, which the schema has already checked. */
export function readExpectations(block: Section | null): Expectations {
  const lock = block?.block('object_lock') ?? null
  const days = block?.number('abort_multipart_days', 0) ?? 0
  return {
    versioning: block?.flag('versioning', false) ? true : null,
    lock: lock && {
      mode: lock.string('mode') === 'governance' ? 'GOVERNANCE' : 'COMPLIANCE',
      days: lock.number('days', 1),
    },
    abortDays: days === 0 ? null : days,
    encryption: readEncryption(block),
    privateOnly: block?.optional('public_access') === 'off',
  }
}

function readEncryption(block: Section | null): Expectations['encryption'] {
  const word = block?.optional('encryption') ?? null
  if (word === 'sse-s3' || word === 'sse-kms') return word
  return word === 'on' ? 'any' : null
}
