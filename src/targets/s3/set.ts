import {
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import type { Setting } from '../../core/posture.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { Bucket } from './bucket.ts'
import type { DefaultLock } from './expectations.ts'
import { withAbortRule } from './lifecycle.ts'
import { defaultLockOf, lifecycleOf } from './look.ts'
import { noteVersioned } from './versions.ts'

/** Sets the bucket to what is expected of it. Rejects with the server's error. */
export async function makeSetting(
  bucket: Bucket,
  setting: Setting,
  signal: AbortSignal,
): Promise<void> {
  switch (setting) {
    case 'versioning':
      return await setVersioning(bucket, signal)
    case 'object_lock':
      return await setLock(bucket, signal)
    case 'abort_multipart':
      return await setAbort(bucket, signal)
    case 'encryption':
      return await setEncryption(bucket, signal)
    case 'public_access':
      return await setPrivate(bucket, signal)
    default:
      return unreachable(setting)
  }
}

async function setVersioning(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const asked = {
    Bucket: bucket.options.bucket,
    VersioningConfiguration: { Status: 'Enabled' as const },
  }
  await bucket.send(
    (client, options) => client.send(new PutBucketVersioningCommand(asked), options),
    signal,
  )
  noteVersioned(bucket)
}

async function setLock(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const { lock } = bucket.options.expected
  if (lock === null) return
  const found = await defaultLockOf(bucket, signal)
  const { mode, days } = found === null || found === 'open' ? lock : stronger(lock, found)
  const asked = {
    Bucket: bucket.options.bucket,
    ObjectLockConfiguration: {
      ObjectLockEnabled: 'Enabled' as const,
      Rule: { DefaultRetention: { Mode: mode, Days: days } },
    },
  }
  await bucket.send(
    (client, options) => client.send(new PutObjectLockConfigurationCommand(asked), options),
    signal,
  )
}

/** What is expected is the least: nothing is ever set to less than it was. */
function stronger(one: DefaultLock, other: DefaultLock): DefaultLock {
  const isStrict = one.mode === 'COMPLIANCE' || other.mode === 'COMPLIANCE'
  return {
    mode: isStrict ? 'COMPLIANCE' : 'GOVERNANCE',
    days: Math.max(one.days, other.days),
  }
}

async function setAbort(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const { expected, prefix } = bucket.options
  if (expected.abortDays === null) return
  const rules = await lifecycleOf(bucket, signal)
  const asked = {
    Bucket: bucket.options.bucket,
    LifecycleConfiguration: { Rules: withAbortRule(rules, prefix, expected.abortDays) },
  }
  await bucket.send(
    (client, options) => client.send(new PutBucketLifecycleConfigurationCommand(asked), options),
    signal,
  )
}

async function setEncryption(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const { expected, encryption } = bucket.options
  const key = encryption?.kind === 'aws:kms' ? encryption.key : null
  const byDefault =
    expected.encryption === 'sse-kms'
      ? { SSEAlgorithm: 'aws:kms' as const, ...(key === null ? {} : { KMSMasterKeyID: key }) }
      : { SSEAlgorithm: 'AES256' as const }
  const asked = {
    Bucket: bucket.options.bucket,
    ServerSideEncryptionConfiguration: {
      Rules: [{ ApplyServerSideEncryptionByDefault: byDefault }],
    },
  }
  await bucket.send(
    (client, options) => client.send(new PutBucketEncryptionCommand(asked), options),
    signal,
  )
}

async function setPrivate(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const asked = {
    Bucket: bucket.options.bucket,
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    },
  }
  await bucket.send(
    (client, options) => client.send(new PutPublicAccessBlockCommand(asked), options),
    signal,
  )
}
