import { Readable } from 'node:stream'
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3'
import type { Bytes, Instant } from '../../core/model.ts'
import type { StoredObject } from '../../core/observed.ts'
import { ObjectMissing, TargetUnreachable } from '../../lib/errors.ts'
import { type Bucket, customerKey, objectAt, reaching } from './bucket.ts'
import { checkAnswer, codeOf, placeOf, statusOf, trouble } from './errors.ts'
import { resuming } from './resuming.ts'
import { totalOf } from './span.ts'

/** How long the word of a server holds that the bucket is there, in milliseconds. */
const SEEN_HOLDS = 60_000

/** What the server tells of an object, or null when there is none; `version`: of that one. */
export async function head(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
  version?: string,
): Promise<HeadObjectCommandOutput | null> {
  const asked = { ...objectAt(bucket, key), ...customerKey(bucket) }
  try {
    const answer = await bucket.send(
      (client, options) =>
        client.send(
          new HeadObjectCommand({ ...asked, ...(version ? { VersionId: version } : {}) }),
          options,
        ),
      signal,
    )
    checkAnswer(answer.ETag, answer.LastModified)
    sawBucket(bucket)
    return answer
  } catch (error) {
    if (statusOf(error) === 404) {
      await checkBucket(bucket, signal)
      return null
    }
    throw await worded(bucket, key, error, signal)
  }
}

/** A missing object and a missing bucket look alike when an answer has no body. */
async function checkBucket(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const { bucketSeenAt } = bucket.learnt
  if (bucketSeenAt !== null && performance.now() - bucketSeenAt < SEEN_HOLDS) return
  const Bucket = bucket.options.bucket
  try {
    await bucket.send(
      (client, options) => client.send(new HeadBucketCommand({ Bucket }), options),
      signal,
    )
    sawBucket(bucket)
  } catch (error) {
    if (statusOf(error) === 404) throw Object.assign(error as Error, { Code: 'NoSuchBucket' })
    // Who may not list still sees its objects.
    if (statusOf(error) !== 403) throw error
  }
}

/** Notes that the bucket answered as one that is there. */
export function sawBucket({ learnt }: Bucket): void {
  learnt.bucketSeenAt = performance.now()
}

/** The error of an answer without a body, asked for again in a way that tells its code. */
async function worded(
  bucket: Bucket,
  key: string,
  error: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  if (statusOf(error) === null || !codeOf(error).startsWith('HTTP')) return error
  const asked = { ...objectAt(bucket, key), ...customerKey(bucket), Range: 'bytes=0-0' }
  try {
    const answer = await bucket.send(
      (client, options) => client.send(new GetObjectCommand(asked), options),
      signal,
    )
    if (answer.Body instanceof Readable) answer.Body.destroy()
    return error
  } catch (better) {
    return statusOf(better) === statusOf(error) ? better : error
  }
}

/** The object, or null when there is none. */
export async function statObject(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | null> {
  const found = await head(bucket, key, signal)
  return (
    found && {
      key,
      bytes: (found.ContentLength ?? 0) as Bytes,
      modifiedAt: instantOf(found.LastModified),
    }
  )
}

/** The whole second: a listing tells more of it than a look at the object does. */
export function instantOf(date: Date | undefined): Instant {
  return (Math.floor((date?.getTime() ?? 0) / 1000) * 1000) as Instant
}

/** The bytes from `start` on. A connection that is cut is taken up again where it was. */
export async function readObject(
  bucket: Bucket,
  key: string,
  start: number,
  signal: AbortSignal,
): Promise<Readable> {
  const first = await openAt(bucket, key, { at: start, etag: null }, signal)
  if (first === null) return Readable.from([], { objectMode: false })
  const stream = resuming(
    { body: first.body, start, total: first.total, stall: bucket.options.limits.stall },
    {
      async reopen(at) {
        const next = reopen(bucket, key, { ...first, at }, signal)
        return (await reaching(bucket, `read ${key}`, next)).body
      },
      giveUp: (error) => asError(trouble(bucket.options, `read ${key}`, error)),
    },
  )
  // Whoever reads hears of an error; one that comes before anybody does must not end the process.
  stream.on('error', () => {})
  const stop = () => stream.destroy(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  return stream.once('close', () => signal.removeEventListener('abort', stop))
}

/** The very object that an answer was about. */
interface Identity {
  readonly etag: string | null
  /** In bytes; null where it was not told. */
  readonly total: number | null
}

/** An object that is being read. */
interface Reading extends Identity {
  readonly body: Readable
}

/** Null: nothing is there from that offset on. */
async function openAt(
  bucket: Bucket,
  key: string,
  { at, etag }: { readonly at: number; readonly etag: string | null },
  signal: AbortSignal,
): Promise<Reading | null> {
  const asked = {
    ...objectAt(bucket, key),
    ...customerKey(bucket),
    ...(at > 0 ? { Range: `bytes=${at}-` } : {}),
    ...(etag ? { IfMatch: etag } : {}),
  }
  try {
    const answer = await bucket.send(
      (client, options) => client.send(new GetObjectCommand(asked), options),
      signal,
    )
    return reading(bucket, key, at, answer)
  } catch (error) {
    if (codeOf(error) === 'InvalidRange' || statusOf(error) === 416) return null
    if (codeOf(error) === 'NoSuchBucket') throw error
    if (statusOf(error) === 404) throw new ObjectMissing(key, { cause: error })
    throw error
  }
}

function reading(bucket: Bucket, key: string, at: number, answer: GetObjectCommandOutput): Reading {
  const { Body: body, ETag, LastModified } = answer
  if (!(body instanceof Readable)) throw new Error('the SDK gives its bodies as streams')
  body.on('error', () => {})
  try {
    checkAnswer(ETag, LastModified)
    sawBucket(bucket)
    return { body, etag: ETag || null, total: totalOf(bucket.options, key, at, answer) }
  } catch (error) {
    body.destroy()
    throw error
  }
}

/** The rest of what was read before, and of nothing else. */
async function reopen(
  bucket: Bucket,
  key: string,
  { at, etag, total }: Identity & { readonly at: number },
  signal: AbortSignal,
): Promise<Reading> {
  const next = await openAt(bucket, key, { at, etag }, signal).catch((error: unknown) => {
    if (statusOf(error) === 412) return null
    throw error
  })
  // Some servers, and caches before them, do not heed the condition.
  const isSame = next?.etag === etag && (next.total ?? total) === (total ?? next.total)
  if (isSame) return next
  next?.body.destroy()
  throw new TargetUnreachable(`${key} was replaced in ${placeOf(bucket.options)} while it was read`)
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
