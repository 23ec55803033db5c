import { Readable } from 'node:stream'
import {
  GetObjectCommand,
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
  const { etag } = first
  const stream = resuming(
    { body: first.body, start, stall: bucket.options.limits.stall },
    {
      async reopen(at) {
        const next = reopen(bucket, key, { at, etag }, signal)
        return (await reaching(bucket, `read ${key}`, next))?.body ?? null
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

/** An object that is being read. */
interface Reading {
  readonly body: Readable
  /** The very object that the first answer was about. */
  readonly etag: string | null
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
    checkAnswer(answer.ETag, answer.LastModified)
    sawBucket(bucket)
    if (!(answer.Body instanceof Readable)) throw new Error('the SDK gives its bodies as streams')
    answer.Body.on('error', () => {})
    return { body: answer.Body, etag: answer.ETag || null }
  } catch (error) {
    if (codeOf(error) === 'InvalidRange' || statusOf(error) === 416) return null
    if (codeOf(error) === 'NoSuchBucket') throw error
    if (statusOf(error) === 404) throw new ObjectMissing(key, { cause: error })
    throw error
  }
}

async function reopen(
  bucket: Bucket,
  key: string,
  from: { readonly at: number; readonly etag: string | null },
  signal: AbortSignal,
): Promise<Reading | null> {
  return await openAt(bucket, key, from, signal).catch((error: unknown) => {
    if (statusOf(error) !== 412) throw error
    throw new TargetUnreachable(
      `${key} was replaced in ${placeOf(bucket.options)} while it was read`,
    )
  })
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
