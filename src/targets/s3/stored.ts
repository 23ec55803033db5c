import type { ServerSideEncryption, StorageClass } from '@aws-sdk/client-s3'
import { archiveOfPin, isArchiveKey } from '../../core/archive-key.ts'
import type { S3Options } from './options.ts'

const DAY = 24 * 60 * 60 * 1000
/** Tells an object of ours from anybody's, after an answer was lost. */
const TOKEN = 'holdfast-token'

/** What an object is stored with, beside its bytes. */
export function storedWith(options: S3Options, key: string, token: string) {
  const { storageClass, encryption, lock } = options
  return {
    ContentType: 'application/octet-stream',
    Metadata: { [TOKEN]: encodeURIComponent(token) },
    // Manifests and pins are read at every look: an archive tier would not give them.
    ...(storageClass !== null && isArchiveKey(key)
      ? { StorageClass: storageClass as StorageClass }
      : {}),
    ...(encryption === null || encryption.kind === 'customer'
      ? {}
      : { ServerSideEncryption: encryption.kind as ServerSideEncryption }),
    ...(encryption?.kind === 'aws:kms' && encryption.key !== null
      ? { SSEKMSKeyId: encryption.key }
      : {}),
    ...(isLocked(options, key) && lock
      ? {
          ObjectLockMode: lock.mode,
          ObjectLockRetainUntilDate: new Date(Date.now() + lock.days * DAY),
        }
      : {}),
  }
}

/** Whether an object of this key is to be locked. A pin goes when it is taken away. */
export function isLocked({ lock }: S3Options, key: string): boolean {
  return lock !== null && archiveOfPin(key) === null
}

/** Whether an object was put by the attempt of this token. */
export function isOf(
  token: string,
  metadata: Readonly<Record<string, string>> | undefined,
): boolean {
  return metadata?.[TOKEN] === encodeURIComponent(token)
}
