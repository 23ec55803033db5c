import { ObjectRetained } from '../../lib/errors.ts'
import { NOTHING_RETAINED, type Retentions } from '../target.ts'
import { type Bucket, reaching } from './bucket.ts'
import { type Doomed, deleteAll } from './delete.ts'
import { isVersioned, noteVersioned, refuseHidden, removeVersions } from './versions.ts'

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
  const versioned = await isVersioned(bucket, keys, signal)
  if (versioned) return await removeVersions(bucket, keys, signal)
  if (versioned === false) return await removePlainly(bucket, keys, signal)
  // One ahead of the others: should the server put a marker over it after all, it hides but that one.
  const first = await removePlainly(bucket, keys.slice(0, 1), signal)
  const rest = keys.slice(1)
  if (rest.length === 0) return first
  const others = (await isVersioned(bucket, rest, signal))
    ? await removeVersions(bucket, rest, signal)
    : await removePlainly(bucket, rest, signal)
  return new Map([...first, ...others])
}

async function removePlainly(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  const all = keys.map((key) => ({ key }))
  const { marked, refused } = await deleteAll(bucket, all, signal)
  const retained = new Map(refused.map(({ key }) => [key, new ObjectRetained(key, null)]))
  if (marked.length === 0) return retained
  // The server put markers over them: the bucket keeps versions after all.
  noteVersioned(bucket)
  const covered = marked.map(({ key }) => key)
  const stay = await removeVersions(bucket, covered, signal).catch(async (error: unknown) => {
    await uncover(bucket, marked, signal)
    throw error
  })
  const kept = marked.filter(({ key }) => stay.has(key))
  await uncover(bucket, kept, signal)
  return new Map([...retained, ...stay])
}

/** Takes the markers off what stays. Rejects where the key may not: what is hidden is not kept. */
async function uncover(
  bucket: Bucket,
  marked: readonly Required<Doomed>[],
  signal: AbortSignal,
): Promise<void> {
  const { refused } = await deleteAll(bucket, marked, signal)
  refuseHidden(bucket, refused)
}
