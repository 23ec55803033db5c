import { type HeadObjectCommandOutput, PutObjectRetentionCommand } from '@aws-sdk/client-s3'
import { TargetUnreachable } from '../../lib/errors.ts'
import { type Bucket, objectAt } from './bucket.ts'
import { placeOf } from './errors.ts'
import { head } from './read.ts'
import { isLocked, storedWith } from './stored.ts'

/**
 * Sees to it that an object is locked as the config says, where `found` does not tell so: Ceph takes
 * the lock of an upload in parts and drops it. Rejects with the server's error, or when it stays open.
 */
export async function ensureLocked(
  bucket: Bucket,
  key: string,
  found: HeadObjectCommandOutput,
  signal: AbortSignal,
): Promise<void> {
  if (!isLocked(bucket.options, key) || found.ObjectLockRetainUntilDate) return
  const { ObjectLockMode, ObjectLockRetainUntilDate } = storedWith(bucket.options, key, '')
  const asked = {
    ...objectAt(bucket, key),
    ...(found.VersionId ? { VersionId: found.VersionId } : {}),
    Retention: { Mode: ObjectLockMode, RetainUntilDate: ObjectLockRetainUntilDate },
  }
  await bucket.send(
    (client, options) => client.send(new PutObjectRetentionCommand(asked), options),
    signal,
  )
  const now = await head(bucket, key, signal)
  if (now?.ObjectLockRetainUntilDate) return
  throw new TargetUnreachable(`cannot lock ${key} in ${placeOf(bucket.options)}`, {
    hint: 'make the bucket with object lock: it cannot be given it later',
  })
}
