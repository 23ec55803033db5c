import { TargetUnreachable } from '../../lib/errors.ts'
import { placeOf } from './errors.ts'
import type { S3Options } from './options.ts'

/** What an answer tells of the bytes that it brings. */
export interface Span {
  readonly ContentRange?: string | undefined
  readonly ContentLength?: number | undefined
}

/** How large the object is, or null where that is not told. Throws unless the bytes are those from `at` on. */
export function totalOf(
  options: S3Options,
  key: string,
  at: number,
  { ContentRange, ContentLength }: Span,
): number | null {
  if (ContentRange === undefined && at === 0) return ContentLength ?? null
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(ContentRange ?? '') ?? []
  if (start !== undefined && Number(start) === at) return total === '*' ? null : Number(total)
  const where = `${key} in ${placeOf(options)}`
  throw new TargetUnreachable(`cannot read ${where}: other bytes came than those from ${at} on`, {
    at: options.bucket,
    hint: 'see whether a proxy stands before the server that does not pass Range on',
  })
}
