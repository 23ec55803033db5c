import { ObjectRetained } from '../../lib/errors.ts'
import { NOTHING_RETAINED, type Retentions } from '../target.ts'
import { type Bucket, reaching } from './bucket.ts'
import { deleteAll } from './delete.ts'
import { isVersioned, noteVersioned, removeVersions } from './versions.ts'

/** Removes the objects for good, but for those that it gives. */
export async function removeObjects(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  if (keys.length === 0) return NOTHING_RETAINED
  const what = keys.length === 1 ? keys[0] : `${keys.length} objects`
  return await reaching(bucket, `remove ${what}`, removeAll(bucket, keys, signal))
}

async function removeAll(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  if (await isVersioned(bucket, signal)) return await removeVersions(bucket, keys, signal)
  const all = keys.map((key) => ({ key }))
  const { marked, refused } = await deleteAll(bucket, all, signal)
  const retained = new Map(refused.map(({ key }) => [key, new ObjectRetained(key, null)]))
  if (marked.length === 0) return retained
  // The server put markers over them: the bucket keeps versions after all.
  noteVersioned(bucket)
  const covered = marked.map(({ key }) => key)
  const stay = await removeVersions(bucket, covered, signal)
  await deleteAll(
    bucket,
    marked.filter(({ key }) => stay.has(key)),
    signal,
  )
  return new Map([...retained, ...stay])
}
