import type { S3Options } from './options.ts'

/** As many as an upload may have. */
const MOST_PARTS = 10_000
const MIB = 1024 * 1024

/** How a body is cut: the bytes of part `number`, which begins with 1; null beyond the last that may be. */
export type Cut = (number: number) => number | null

/**
 * A cut that takes `expected` bytes and more. The first part is as large as the config says, or as
 * so many bytes need. Where parts may differ they grow from the thousandth on, so that a body of
 * which nobody knew the size still fits: 8 MiB grow to 2.3 TiB in all.
 */
export function cutFor(
  { profile, parts }: Pick<S3Options, 'profile' | 'parts'>,
  expected: number | null,
): Cut {
  // A guess is a guess: twice as much fits where nothing can grow later.
  const enough = Math.ceil(((expected ?? 0) * (profile.equalParts ? 2 : 1.25)) / MOST_PARTS / MIB)
  const first = Math.max(parts.bytes, enough * MIB)
  return (number) => {
    if (number > MOST_PARTS) return null
    if (profile.equalParts) return first
    return first * (1 + Math.floor((number - 1) / 1000) ** 2)
  }
}
