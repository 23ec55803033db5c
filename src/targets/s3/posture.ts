import type { Finding, Setting } from '../../core/posture.ts'
import { count } from '../../lib/count.ts'
import { Failure, messageOf, Refused } from '../../lib/errors.ts'
import type { Posture } from '../target.ts'
import { type Bucket, reaching } from './bucket.ts'
import { isUnsupported, trouble } from './errors.ts'
import type { DefaultLock } from './expectations.ts'
import { abortDays } from './lifecycle.ts'
import { defaultLockOf, encryptionOf, isPrivate, lifecycleOf, versioningOf } from './look.ts'
import { makeSetting } from './set.ts'

/** How the bucket is set up, as far as the config expects something of it; null where it expects nothing. */
export function postureOf(bucket: Bucket): Posture | null {
  const looks = looksOf(bucket)
  if (looks.length === 0) return null
  return {
    async observe(signal) {
      const findings: Finding[] = []
      for (const look of looks) findings.push(await observe(bucket, look, signal))
      return findings
    },
    async set(setting, signal) {
      if (!bucket.options.manage) {
        const hint = 'write manage: true at the target, or set it by hand'
        throw new Refused(`${setting} of ${bucket.options.bucket} is not ours to set`, { hint })
      }
      signal.throwIfAborted()
      const attempt = `set ${setting.replaceAll('_', ' ')}`
      await reaching(bucket, attempt, makeSetting(bucket, setting, signal))
    },
  }
}

interface Look {
  readonly setting: Setting
  readonly expected: string
  ask(signal: AbortSignal): Promise<Found>
}

interface Found {
  readonly found: string
  readonly met: boolean
  /** False: it cannot be set any more. */
  readonly isLate?: boolean
}

async function observe(bucket: Bucket, look: Look, signal: AbortSignal): Promise<Finding> {
  const { setting, expected } = look
  const { manage } = bucket.options
  try {
    const { found, met, isLate = false } = await look.ask(signal)
    const settable = manage && !isLate
    const hint = met || settable ? null : isLate ? TOO_LATE : BY_HAND
    return { setting, expected, found, why: null, met, settable, hint }
  } catch (error) {
    signal.throwIfAborted()
    const told = trouble(bucket.options, `look at ${setting.replaceAll('_', ' ')}`, error)
    const [why, hint] = isUnsupported(error)
      ? (['the server knows no such setting', 'take it out of expect'] as const)
      : ([messageOf(told), told instanceof Failure ? told.hint : null] as const)
    return { setting, expected, found: null, why, met: false, settable: false, hint }
  }
}

const TOO_LATE = 'make another bucket with object lock: a bucket cannot be given it later'
const BY_HAND = 'set it by hand, or with manage: true at the target by: holdfast apply'

function looksOf(bucket: Bucket): readonly Look[] {
  const { versioning, lock, abortDays: days, encryption, privateOnly } = bucket.options.expected
  const looks: Look[] = []
  if (versioning === true) {
    looks.push({
      setting: 'versioning',
      expected: 'on',
      async ask(signal) {
        const found = await versioningOf(bucket, signal)
        return { found, met: found === 'on' }
      },
    })
  }
  if (lock) looks.push(lockLook(bucket, lock))
  if (days !== null) looks.push(abortLook(bucket, days))
  if (encryption) looks.push(encryptionLook(bucket, encryption))
  if (privateOnly) {
    looks.push({
      setting: 'public_access',
      expected: 'off',
      async ask(signal) {
        const met = await isPrivate(bucket, signal)
        return { found: met ? 'off' : 'not blocked', met }
      },
    })
  }
  return looks
}

function lockLook(bucket: Bucket, lock: DefaultLock): Look {
  return {
    setting: 'object_lock',
    expected: lockWords(lock),
    async ask(signal) {
      const found = await defaultLockOf(bucket, signal)
      // A bucket that was made without cannot be given it later.
      if (found === null) return { found: 'off', met: false, isLate: true }
      if (found === 'open') return { found: 'on, nothing by default', met: false }
      const isAsStrong = found.mode === lock.mode || found.mode === 'COMPLIANCE'
      return { found: lockWords(found), met: isAsStrong && found.days >= lock.days }
    },
  }
}

function lockWords({ mode, days }: DefaultLock): string {
  return `${mode.toLowerCase()} for ${count(days, 'day', 'days')}`
}

function abortLook(bucket: Bucket, days: number): Look {
  return {
    setting: 'abort_multipart',
    expected: `after ${count(days, 'day', 'days')}`,
    async ask(signal) {
      const found = abortDays(await lifecycleOf(bucket, signal), bucket.options.prefix)
      if (found === null) return { found: 'never', met: false }
      return { found: `after ${count(found, 'day', 'days')}`, met: found <= days }
    },
  }
}

function encryptionLook(bucket: Bucket, wanted: 'any' | 'sse-s3' | 'sse-kms'): Look {
  return {
    setting: 'encryption',
    expected: wanted === 'any' ? 'on' : wanted,
    async ask(signal) {
      const algorithm = await encryptionOf(bucket, signal)
      if (algorithm === null) return { found: 'off', met: false }
      const found = algorithm === 'AES256' ? 'sse-s3' : 'sse-kms'
      return { found, met: wanted === 'any' || wanted === found }
    },
  }
}
