import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  type LifecycleRule,
} from '@aws-sdk/client-s3'
import type { Bucket } from './bucket.ts'
import { codeOf } from './errors.ts'
import type { DefaultLock } from './expectations.ts'

/** How the bucket is set up, setting by setting. Each rejects with the server's error. */

export async function versioningOf(bucket: Bucket, signal: AbortSignal): Promise<string> {
  const asked = { Bucket: bucket.options.bucket }
  const { Status } = await bucket.send(
    (client, options) => client.send(new GetBucketVersioningCommand(asked), options),
    signal,
  )
  if (Status === 'Enabled') return 'on'
  return Status === 'Suspended' ? 'suspended' : 'off'
}

/** The lock of new objects; `open`: objects can be locked and are not by default; null: they cannot be. */
export async function defaultLockOf(
  bucket: Bucket,
  signal: AbortSignal,
): Promise<DefaultLock | 'open' | null> {
  const asked = { Bucket: bucket.options.bucket }
  const asking = bucket.send(
    (client, options) => client.send(new GetObjectLockConfigurationCommand(asked), options),
    signal,
  )
  const answer = await unlessUnset(asking, 'ObjectLockConfigurationNotFoundError')
  const { ObjectLockEnabled, Rule } = answer?.ObjectLockConfiguration ?? {}
  if (ObjectLockEnabled !== 'Enabled') return null
  const { Mode, Days, Years } = Rule?.DefaultRetention ?? {}
  if (Mode === undefined) return 'open'
  return { mode: Mode, days: (Days ?? 0) + (Years ?? 0) * 365 }
}

export async function lifecycleOf(
  bucket: Bucket,
  signal: AbortSignal,
): Promise<readonly LifecycleRule[]> {
  const asked = { Bucket: bucket.options.bucket }
  const asking = bucket.send(
    (client, options) => client.send(new GetBucketLifecycleConfigurationCommand(asked), options),
    signal,
  )
  const answer = await unlessUnset(asking, 'NoSuchLifecycleConfiguration')
  return answer?.Rules ?? []
}

/** The algorithm that new objects are encrypted with, or null. */
export async function encryptionOf(bucket: Bucket, signal: AbortSignal): Promise<string | null> {
  const asked = { Bucket: bucket.options.bucket }
  const asking = bucket.send(
    (client, options) => client.send(new GetBucketEncryptionCommand(asked), options),
    signal,
  )
  const answer = await unlessUnset(asking, 'ServerSideEncryptionConfigurationNotFoundError')
  const [rule] = answer?.ServerSideEncryptionConfiguration?.Rules ?? []
  return rule?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm ?? null
}

/** Whether every kind of public access is blocked. */
export async function isPrivate(bucket: Bucket, signal: AbortSignal): Promise<boolean> {
  const asked = { Bucket: bucket.options.bucket }
  const asking = bucket.send(
    (client, options) => client.send(new GetPublicAccessBlockCommand(asked), options),
    signal,
  )
  const answer = await unlessUnset(asking, 'NoSuchPublicAccessBlockConfiguration')
  const block = answer?.PublicAccessBlockConfiguration
  const { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets } =
    block ?? {}
  return [BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets].every(
    (one) => one === true,
  )
}

/** A setting that was never made is told as an error. */
async function unlessUnset<T>(asking: Promise<T>, code: string): Promise<T | null> {
  return await asking.catch((error: unknown) => {
    if (codeOf(error) === code) return null
    throw error
  })
}
