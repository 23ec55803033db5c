import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { Bytes } from '../../core/model.ts'
import { ObjectExists, Refused, TargetUnreachable } from '../../lib/errors.ts'
import { unlessAborted } from '../../lib/limits.ts'
import { letGo, pour } from '../../platform/pour.ts'
import { checkKey } from '../keys.ts'
import type { Stored } from '../target.ts'
import { type Bucket, reaching } from './bucket.ts'
import { deleteAll } from './delete.ts'
import { codeOf, isDenied, placeOf, statusOf } from './errors.ts'
import { graceAfter } from './grace.ts'
import { ensureLocked, refuseUnlockable } from './lock.ts'
import type { Answer } from './proof.ts'
import { head } from './read.ts'
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
  await reaching(bucket, `write ${key}`, refuseUnlockable(bucket, key, signal))
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
      await takeAway(bucket, key, found, late)
      throw signal.reason
    }
    return { bytes: bytes as Bytes, readback: sending.readback(found) }
  } catch (error) {
    await sending.takeBack()
    throw error
  }
}

/** Who may not look may still write where the server itself refuses if something is there. */
async function refuseExisting(bucket: Bucket, key: string, signal: AbortSignal): Promise<void> {
  const found = await head(bucket, key, signal).catch((error: unknown) => {
    if (isDenied(error) && bucket.learnt.conditionalWrites) return null
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

/** What the server tells of the object that was made. */
type Found = Answer & Pick<HeadObjectCommandOutput, 'ObjectLockRetainUntilDate'>

/** Makes the object, looks at it, and sees to its lock. */
async function commit(committing: Committing, signal: AbortSignal): Promise<Found> {
  const { bucket, delivery, sending } = committing
  const { key } = delivery
  const isInParts = sending.isInParts()
  if (isInParts || !bucket.learnt.conditionalWrites) await refuseExisting(bucket, key, signal)
  const found = await sending.commit(signal).then(
    (answer) => lookAt(committing, answer, signal),
    (error: unknown) => settle(committing, error, signal),
  )
  await ensureLocked(bucket, { key, found, isInParts }, signal).catch(async (error: unknown) => {
    await takeAway(bucket, key, found, signal).catch(() => {})
    throw error
  })
  return found
}

/** What was made. Where the key may not look, the answer counts if it proves what the server has. */
async function lookAt(
  { bucket, delivery, sending, bytes }: Committing,
  answer: Answer,
  signal: AbortSignal,
): Promise<Found> {
  const { key, token } = delivery
  const found = await head(bucket, key, signal).catch(async (error: unknown) => {
    if (isDenied(error) && sending.readback(answer) !== 'size') return 'untold' as const
    await takeAway(bucket, key, answer, signal).catch(() => {})
    throw error
  })
  if (found === 'untold') return answer
  const isOurs = found !== null && isOf(token, found.Metadata)
  if (isOurs && found.ContentLength === bytes) return found
  if (isOurs) await takeAway(bucket, key, found, signal)
  const kept = found === null ? 'nothing' : `${found.ContentLength} bytes`
  throw new TargetUnreachable(
    `${placeOf(bucket.options)} kept ${kept} of the ${bytes} bytes of ${key}`,
  )
}

/** What was made although the write failed: an answer may be lost on its way. Rejects where nothing was. */
async function settle(
  { bucket, delivery, bytes }: Committing,
  failure: unknown,
  signal: AbortSignal,
): Promise<Found> {
  const { key, token } = delivery
  const found = await head(bucket, key, signal).catch(() => {
    // What cannot be looked at cannot be told from what others put.
    throw failure
  })
  const isOurs = found !== null && isOf(token, found.Metadata)
  if (isOurs && found.ContentLength === bytes) return found
  if (isOurs) await takeAway(bucket, key, found, signal)
  else if (found !== null && isTaken(failure)) throw new ObjectExists(key, { cause: failure })
  throw failure
}

/** Whether the server refused the write because the key is taken. */
function isTaken(error: unknown): boolean {
  const status = statusOf(error)
  return codeOf(error) === 'PreconditionFailed' || status === 412 || status === 409
}

/** Removes the object that this very attempt made, and no version beside it. */
async function takeAway(
  bucket: Bucket,
  key: string,
  { VersionId: version }: Found,
  signal: AbortSignal,
): Promise<void> {
  const made = version ? { key, version } : { key }
  const removing = deleteAll(bucket, [made], signal)
  const { refused } = await reaching(bucket, `remove ${key}`, removing)
  if (refused.length === 0 || !version) return
  // Who may delete no version, or a locked one, can still hide it: before, nothing was to be seen.
  await reaching(bucket, `remove ${key}`, deleteAll(bucket, [{ key }], signal))
}
