import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
} from '@aws-sdk/client-s3'
import type { Bytes } from '../../core/model.ts'
import type { StoredObject, UnfinishedObject } from '../../core/observed.ts'
import { forEachConcurrent } from '../../lib/concurrent.ts'
import { checkPrefix } from '../keys.ts'
import type { Page } from '../target.ts'
import { type Bucket, objectAt, reaching } from './bucket.ts'
import { checkAnswer, codeOf, isDenied, isUnsupported, statusOf } from './errors.ts'
import { turn } from './pages.ts'
import { instantOf, sawBucket } from './read.ts'

/** How many uploads are asked for their parts at once. */
const AT_ONCE = 8

/** Everything under `prefix`, as much at once as the server gives. */
export async function* listPages(
  bucket: Bucket,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  checkPrefix(prefix)
  signal.throwIfAborted()
  const attempt = `list ${prefix || 'everything'}`
  for (let from: string | null = null, isLast = false; !isLast; ) {
    const asked = {
      Bucket: bucket.options.bucket,
      Prefix: bucket.options.prefix + prefix,
      EncodingType: 'url' as const,
      ...(from === null ? {} : { ContinuationToken: from }),
    }
    const answer: ListObjectsV2CommandOutput = await reaching(
      bucket,
      attempt,
      objectsAfter(bucket, asked, signal),
    )
    const next = answer.NextContinuationToken || null
    from = turn(bucket.options, { from, next, isTruncated: answer.IsTruncated })
    isLast = from === null
    const objects: StoredObject[] = []
    for (const { Key, Size, LastModified } of answer.Contents ?? []) {
      const key = relative(bucket, Key, answer.EncodingType)
      if (key === null) continue
      objects.push({ key, bytes: (Size ?? 0) as Bytes, modifiedAt: instantOf(LastModified) })
    }
    yield { objects, unfinished: [] }
  }
  yield {
    objects: [],
    unfinished: await reaching(bucket, attempt, unfinished(bucket, prefix, signal)),
  }
}

async function objectsAfter(
  bucket: Bucket,
  asked: ListObjectsV2CommandInput,
  signal: AbortSignal,
): Promise<ListObjectsV2CommandOutput> {
  const answer = await bucket.send(
    (client, options) => client.send(new ListObjectsV2Command(asked), options),
    signal,
  )
  // An empty bucket tells its name, a page of something else does not: it must not look empty.
  checkAnswer(answer.Name, answer.IsTruncated)
  sawBucket(bucket)
  return answer
}

/** A key as the rest of the program knows it; null where it is the prefix of the target itself. */
function relative(
  { options }: Bucket,
  key: string | undefined,
  encoding: string | undefined,
): string | null {
  const whole = encoding === 'url' ? decoded(key ?? '') : (key ?? '')
  return whole.startsWith(options.prefix) ? whole.slice(options.prefix.length) || null : null
}

function decoded(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '))
}

interface FoundUpload {
  readonly id: string
  readonly key: string
}

/** What the server tells of uploads that are not over, and what we remember of ours. */
async function unfinished(
  bucket: Bucket,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly UnfinishedObject[]> {
  const remembered = (await bucket.uploads.open()).filter(({ key }) => key.startsWith(prefix))
  const found = await uploadsOf(bucket, prefix, signal)
  const tokens = new Map(remembered.map(({ id, token }) => [id, token]))
  const known = new Set(found.map(({ id }) => id))
  const all: readonly FoundUpload[] = [...found, ...remembered.filter(({ id }) => !known.has(id))]
  const unfinished: UnfinishedObject[] = []
  await forEachConcurrent(all, AT_ONCE, async ({ id, key }) => {
    const bytes = await bytesOf(bucket, { id, key }, signal)
    if (bytes === null) await bucket.uploads.over(id)
    else unfinished.push({ key, token: tokens.get(id) ?? null, bytes, upload: id })
  })
  return unfinished
}

/** Nothing where the key may not ask, or the server does not know the question. */
async function uploadsOf(
  bucket: Bucket,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly FoundUpload[]> {
  const found: FoundUpload[] = []
  for (let marker: UploadMarker | null = {}; marker !== null; ) {
    const answer: ListMultipartUploadsCommandOutput | null = await uploadsAfter(
      bucket,
      prefix,
      marker,
      signal,
    )
    if (answer === null) return found
    for (const { Key, UploadId } of answer.Uploads ?? []) {
      const key = relative(bucket, Key, answer.EncodingType)
      if (key !== null && UploadId) found.push({ id: UploadId, key })
    }
    const next = markerIn(answer)
    marker = turn(bucket.options, { from: marker, next, isTruncated: answer.IsTruncated })
  }
  return found
}

interface UploadMarker {
  readonly KeyMarker?: string
  readonly UploadIdMarker?: string
}

async function uploadsAfter(
  bucket: Bucket,
  prefix: string,
  marker: UploadMarker,
  signal: AbortSignal,
): Promise<ListMultipartUploadsCommandOutput | null> {
  const Prefix = bucket.options.prefix + prefix
  const asked = { Bucket: bucket.options.bucket, Prefix, EncodingType: 'url' as const, ...marker }
  try {
    return await bucket.send(
      (client, options) => client.send(new ListMultipartUploadsCommand(asked), options),
      signal,
    )
  } catch (error) {
    if (isDenied(error) || isUnsupported(error)) return null
    throw error
  }
}

function markerIn(answer: ListMultipartUploadsCommandOutput): UploadMarker | null {
  const { NextKeyMarker, NextUploadIdMarker, EncodingType } = answer
  if (!NextKeyMarker) return null
  return {
    KeyMarker: EncodingType === 'url' ? decoded(NextKeyMarker) : NextKeyMarker,
    ...(NextUploadIdMarker ? { UploadIdMarker: NextUploadIdMarker } : {}),
  }
}

/** What the server has of an upload: 0 where it does not tell, null where it has no such upload. */
async function bytesOf(
  bucket: Bucket,
  { id, key }: FoundUpload,
  signal: AbortSignal,
): Promise<Bytes | null> {
  let bytes = 0
  try {
    for (let from: string | null = null, isLast = false; !isLast; ) {
      const at = { ...objectAt(bucket, key), UploadId: id }
      const asked = { ...at, ...(from === null ? {} : { PartNumberMarker: from }) }
      const answer: ListPartsCommandOutput = await bucket.send(
        (client, options) => client.send(new ListPartsCommand(asked), options),
        signal,
      )
      for (const { Size } of answer.Parts ?? []) bytes += Size ?? 0
      const next = answer.NextPartNumberMarker || null
      from = turn(bucket.options, { from, next, isTruncated: answer.IsTruncated })
      isLast = from === null
    }
  } catch (error) {
    if (codeOf(error) === 'NoSuchUpload') return null
    if (!isDenied(error) && !isUnsupported(error) && statusOf(error) !== 404) throw error
  }
  return bytes as Bytes
}
