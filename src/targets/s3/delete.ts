import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3'
import { forEachConcurrent } from '../../lib/concurrent.ts'
import { TargetUnreachable } from '../../lib/errors.ts'
import { type Bucket, objectAt } from './bucket.ts'
import { codeOf, isDenied, isUnsupported, placeOf, statusOf } from './errors.ts'

/** As many as one request takes. */
const BATCH = 1000
/** Where a request takes one only. */
const AT_ONCE = 8

/** An object, or one version of it. */
export interface Doomed {
  readonly key: string
  readonly version?: string
}

/** What became of a deletion that the server took, but for what it simply did. */
export interface Outcome {
  /** A marker was put over them, by its version: they are still there. */
  readonly marked: readonly Required<Doomed>[]
  /** The key may not delete them. */
  readonly refused: readonly Doomed[]
}

/** Deletes exactly these. What is gone already is a success. Rejects with the server's error. */
export async function deleteAll(
  bucket: Bucket,
  all: readonly Doomed[],
  signal: AbortSignal,
): Promise<Outcome> {
  const marked: Required<Doomed>[] = []
  const refused: Doomed[] = []
  for (let from = 0; from < all.length; from += BATCH) {
    const outcome = await deleteBatch(bucket, all.slice(from, from + BATCH), signal)
    marked.push(...outcome.marked)
    refused.push(...outcome.refused)
  }
  return { marked, refused }
}

async function deleteBatch(
  bucket: Bucket,
  batch: readonly Doomed[],
  signal: AbortSignal,
): Promise<Outcome> {
  if (batch.length > 1 && bucket.learnt.batchDeletes) {
    try {
      return await deleteTogether(bucket, batch, signal)
    } catch (error) {
      if (isDenied(error)) return { marked: [], refused: batch }
      if (!isUnsupported(error)) throw error
      bucket.learnt.batchDeletes = false
    }
  }
  return await deleteEach(bucket, batch, signal)
}

async function deleteTogether(
  bucket: Bucket,
  batch: readonly Doomed[],
  signal: AbortSignal,
): Promise<Outcome> {
  const { options } = bucket
  const Objects = batch.map(({ key, version }) => ({
    Key: options.prefix + key,
    ...(version === undefined ? {} : { VersionId: version }),
  }))
  const asked = { Bucket: options.bucket, Delete: { Objects } }
  const answer = await bucket.send(
    (client, how) => client.send(new DeleteObjectsCommand(asked), how),
    signal,
  )
  const refused: Doomed[] = []
  for (const { Key = '', VersionId, Code = '', Message } of answer.Errors ?? []) {
    if (GONE.includes(Code)) continue
    const key = Key.slice(options.prefix.length)
    if (Code !== 'AccessDenied') throw notDeleted(bucket, key, Message || Code)
    refused.push({ key, ...(VersionId ? { version: VersionId } : {}) })
  }
  const marked = (answer.Deleted ?? []).flatMap(
    ({ Key = '', DeleteMarker, VersionId, ...rest }) => {
      const version = rest.DeleteMarkerVersionId
      // Deleting a marker by its version is told in the same words.
      if (!DeleteMarker || VersionId || !version) return []
      return [{ key: Key.slice(options.prefix.length), version }]
    },
  )
  return { marked, refused }
}

const GONE = ['NoSuchKey', 'NoSuchVersion']

function notDeleted({ options }: Bucket, key: string, why: string): TargetUnreachable {
  return new TargetUnreachable(`cannot remove ${key} in ${placeOf(options)}: ${why}`)
}

async function deleteEach(
  bucket: Bucket,
  batch: readonly Doomed[],
  signal: AbortSignal,
): Promise<Outcome> {
  const marked: Required<Doomed>[] = []
  const refused: Doomed[] = []
  await forEachConcurrent(batch, AT_ONCE, async (one) => {
    const { key, version } = one
    const asked = { ...objectAt(bucket, key), ...(version ? { VersionId: version } : {}) }
    try {
      const answer = await bucket.send(
        (client, options) => client.send(new DeleteObjectCommand(asked), options),
        signal,
      )
      if (answer.DeleteMarker && !version && answer.VersionId) {
        marked.push({ key, version: answer.VersionId })
      }
    } catch (error) {
      if (isDenied(error)) refused.push(one)
      else if (!GONE.includes(codeOf(error)) && !isMissing(error)) throw error
    }
  })
  return { marked, refused }
}

function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && codeOf(error) !== 'NoSuchBucket'
}
