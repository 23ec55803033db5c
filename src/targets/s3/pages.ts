import { TargetUnreachable } from '../../lib/errors.ts'
import { placeOf } from './errors.ts'
import type { S3Options } from './options.ts'

/** Where a page of a listing begins and, as the server told, the one after it; null: not told. */
export interface Turn<Marker> {
  readonly from: Marker | null
  readonly next: Marker | null
  readonly isTruncated: boolean | undefined
}

/**
 * Where the next page begins, or null after the last. Throws where there is one and nobody can turn
 * to it: half a listing must not look like a whole one.
 */
export function turn<Marker>(
  options: S3Options,
  { from, next, isTruncated }: Turn<Marker>,
): Marker | null {
  if (isTruncated !== true) return null
  if (next !== null && JSON.stringify(next) !== JSON.stringify(from)) return next
  throw new TargetUnreachable(`${placeOf(options)} tells of more to list, and not from where on`, {
    at: options.bucket,
    hint: 'look at the state of the server, and of a proxy before it',
  })
}
