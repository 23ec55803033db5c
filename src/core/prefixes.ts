import type { TargetId } from './model.ts'
import type { Listing } from './observed.ts'
import { byText } from './order.ts'

/**
 * Tells whether a key, or everything under a prefix, lies under one of `prefixes`. Answers in
 * logarithmic time: a listing may have a prefix for each of a thousand jobs.
 */
export function covering(prefixes: readonly string[]): (key: string) => boolean {
  const outermost = withoutNested(prefixes)
  return (key) => {
    const candidate = outermost[lastNotAfter(outermost, key)]
    return candidate !== undefined && key.startsWith(candidate)
  }
}

/** Tells whether a listing of a target shows what lies under a key or prefix. */
export function coverageOf(
  listings: ReadonlyMap<TargetId, Listing>,
): (target: TargetId, key: string) => boolean {
  const covers = new Map<TargetId, (key: string) => boolean>()
  for (const [target, listing] of listings) {
    if (listing.kind === 'listed') covers.set(target, covering(listing.prefixes))
  }
  return (target, key) => covers.get(target)?.(key) ?? false
}

/** Sorted, and without those that lie inside another: then only one can begin a given key. */
function withoutNested(prefixes: readonly string[]): readonly string[] {
  const outermost: string[] = []
  for (const prefix of [...prefixes].sort(byText)) {
    const last = outermost.at(-1)
    if (last === undefined || !prefix.startsWith(last)) outermost.push(prefix)
  }
  return outermost
}

/** Index of the last entry that is not after `key`, or -1. */
function lastNotAfter(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? '') <= key) low = middle + 1
    else high = middle
  }
  return low - 1
}
