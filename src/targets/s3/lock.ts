import {
  GetObjectRetentionCommand,
  type HeadObjectCommandOutput,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3'
import { TargetUnreachable } from '../../lib/errors.ts'
import { type Bucket, objectAt } from './bucket.ts'
import { isDenied, placeOf, statusOf } from './errors.ts'
import { isLocked, storedWith } from './stored.ts'
import { isLockable } from './versions.ts'

/** Throws where an object of this key is to be locked and the bucket tells that it locks none. */
export async function refuseUnlockable(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  if (isLocked(bucket.options, key) && !(await isLockable(bucket, signal))) {
    throw notLocked(bucket, key)
  }
}

/** An object that was just made. */
export interface Made {
  readonly key: string
  readonly found: Pick<HeadObjectCommandOutput, 'ObjectLockRetainUntilDate' | 'VersionId'>
  readonly isInParts: boolean
}

/**
 * Sees to it that an object is locked as the config says, where `found` does not tell so: Ceph takes
 * the lock of an upload in parts and drops it, and Amazon tells it only to a key that may ask. What
 * the server took counts, unless it tells otherwise. Rejects with the server's error, or when it
 * stays open.
 */
export async function ensureLocked(
  bucket: Bucket,
  { key, found, isInParts }: Made,
  signal: AbortSignal,
): Promise<void> {
  if (!isLocked(bucket.options, key) || found.ObjectLockRetainUntilDate) return
  const version = found.VersionId ? { VersionId: found.VersionId } : {}
  const at = { ...objectAt(bucket, key), ...version }
  const told = await retentionOf(bucket, at, signal)
  if (told === 'locked') return
  const { ObjectLockMode, ObjectLockRetainUntilDate } = storedWith(bucket.options, key, '')
  const Retention = { Mode: ObjectLockMode, RetainUntilDate: ObjectLockRetainUntilDate }
  try {
    await bucket.send(
      (client, options) =>
        client.send(new PutObjectRetentionCommand({ ...at, Retention }), options),
      signal,
    )
  } catch (error) {
    // Its request carried the lock, and was taken.
    if (told === 'untold' && !isInParts && isDenied(error)) return
    throw error
  }
  if ((await retentionOf(bucket, at, signal)) === 'open') throw notLocked(bucket, key)
}

type ObjectAt = ReturnType<typeof objectAt> & { readonly VersionId?: string }

/** What the server tells to whoever may ask; no answer is no word against a lock. */
async function retentionOf(
  bucket: Bucket,
  at: ObjectAt,
  signal: AbortSignal,
): Promise<'locked' | 'open' | 'untold'> {
  try {
    const { Retention } = await bucket.send(
      (client, options) => client.send(new GetObjectRetentionCommand(at), options),
      signal,
    )
    if (Retention === undefined) return 'untold'
    return Retention.RetainUntilDate ? 'locked' : 'open'
  } catch (error) {
    signal.throwIfAborted()
    // An object or a bucket without any lock is told as an error.
    return [400, 404].includes(statusOf(error) ?? 0) ? 'open' : 'untold'
  }
}

function notLocked({ options }: Bucket, key: string): TargetUnreachable {
  return new TargetUnreachable(`cannot write ${key} in ${placeOf(options)}: it locks no objects`, {
    at: options.bucket,
    hint: 'make the bucket with object lock: it cannot be given it later',
  })
}
