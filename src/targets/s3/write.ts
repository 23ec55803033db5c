import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { Bytes } from '../../core/model.ts'
import { ObjectExists, Refused, TargetUnreachable } from '../../lib/errors.ts'
import { unlessAborted } from '../../lib/limits.ts'
import { letGo, pour } from '../../platform/pour.ts'
import { checkKey } from '../keys.ts'
import type { Stored } from '../target.ts'
import { type Bucket, reaching } from './bucket.ts'
import { codeOf, isDenied, placeOf, statusOf } from './errors.ts'
import { graceAfter } from './grace.ts'
import { ensureLocked } from './lock.ts'
import { head } from './read.ts'
import { removeObjects } from './remove.ts'
import { type Goal, type Sending, startSending } from './sending.ts'
import { isOf } from './stored.ts'
import { inTurn } from './turns.ts'

/** What an aborted write gets to tidy up, in milliseconds; a server that hangs is left to itself. */
const TIDY_UP = 5_000
/** Within that, what a request gets that must not be left half done. */
const GRACE = 3_000

export interface Delivery extends Goal {
  readonly body: AsyncIterable<Uint8Array>
}

/** Ends at most `TIDY_UP` after an abort. */
export async function putObject(
  bucket: Bucket,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Stored> {
  const work = deliver(bucket, delivery, signal)
  work.catch(() => letGo(delivery.body))
  return await unlessAborted(work, signal, TIDY_UP)
}

async function deliver(bucket: Bucket, delivery: Delivery, signal: AbortSignal): Promise<Stored> {
  const { key, token } = delivery
  checkKey(key)
  if (token === '') throw new Refused(`a put of ${key} needs a token`)
  signal.throwIfAborted()
  const { endpoint, bucket: name, prefix } = bucket.options
  const what = JSON.stringify([endpoint, name, prefix + key])
  return await inTurn(what, () => write(bucket, delivery, signal), signal)
}

async function write(bucket: Bucket, delivery: Delivery, signal: AbortSignal): Promise<Stored> {
  const { key, body } = delivery
  await reaching(bucket, `write ${key}`, refuseExisting(bucket, key, signal))
  using grace = graceAfter(signal, GRACE)
  const late = grace.signal
  const sending = startSending(bucket, delivery, { signal, late })
  try {
    const stop = AbortSignal.any([signal, sending.broken])
    const bytes = await pour(body, (batch) => sending.take(batch), stop)
    await sending.flush()
    signal.throwIfAborted()
    const found = await reaching(
      bucket,
      `write ${key}`,
      commit({ bucket, delivery, sending, bytes }, late),
    )
    await sending.over()
    if (signal.aborted) {
      await takeAway(bucket, delivery, late)
      throw signal.reason
    }
    return { bytes: bytes as Bytes, readback: sending.readback(found) }
  } catch (error) {
    await sending.takeBack()
    throw error
  }
}

/** Who may not look may still write: the server itself then refuses where something is. */
async function refuseExisting(bucket: Bucket, key: string, signal: AbortSignal): Promise<void> {
  const found = await head(bucket, key, signal).catch((error: unknown) => {
    if (isDenied(error)) return null
    throw error
  })
  if (found) throw new ObjectExists(key)
}

interface Committing {
  readonly bucket: Bucket
  readonly delivery: Delivery
  readonly sending: Sending
  readonly bytes: number
}

/** Makes the object, and looks at it. An answer may be lost on its way: what is there decides. */
async function commit(
  { bucket, delivery, sending, bytes }: Committing,
  signal: AbortSignal,
): Promise<HeadObjectCommandOutput> {
  const { key, token } = delivery
  if (sending.isInParts() || !bucket.learnt.conditionalWrites) {
    await refuseExisting(bucket, key, signal)
  }
  const failed = await sending.commit(signal).then(
    () => null,
    (error: unknown) => ({ error }),
  )
  const found = await head(bucket, key, signal).catch(async (error: unknown) => {
    await takeAway(bucket, delivery, signal).catch(() => {})
    throw failed ? failed.error : error
  })
  const isOurs = found !== null && isOf(token, found.Metadata)
  if (isOurs && found.ContentLength === bytes) {
    await ensureLocked(bucket, key, found, signal).catch(async (error: unknown) => {
      await takeAway(bucket, delivery, signal).catch(() => {})
      throw error
    })
    return found
  }
  if (found !== null && failed && isTaken(failed.error)) {
    throw new ObjectExists(key, { cause: failed.error })
  }
  if (isOurs) await takeAway(bucket, delivery, signal)
  if (failed) throw failed.error
  const kept = found === null ? 'nothing' : `${found.ContentLength} bytes`
  throw new TargetUnreachable(
    `${placeOf(bucket.options)} kept ${kept} of the ${bytes} bytes of ${key}`,
  )
}

/** Whether the server refused the write because the key is taken. */
function isTaken(error: unknown): boolean {
  const status = statusOf(error)
  return codeOf(error) === 'PreconditionFailed' || status === 412 || status === 409
}

/** Removes the object if this very attempt made it. */
async function takeAway(
  bucket: Bucket,
  { key, token }: Delivery,
  signal: AbortSignal,
): Promise<void> {
  const found = await head(bucket, key, signal)
  if (isOf(token, found?.Metadata)) await removeObjects(bucket, [key], signal)
}
