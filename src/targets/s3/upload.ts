import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { TargetUnreachable } from '../../lib/errors.ts'
import { type Bucket, customerKey, objectAt, reaching } from './bucket.ts'
import { onlyIfNew } from './conditional.ts'
import { codeOf, placeOf } from './errors.ts'
import { type Answer, md5Of } from './proof.ts'
import { storedWith } from './stored.ts'

/** A large object on its way, part by part. */
export interface MultipartUpload {
  readonly id: string
  /** Resolves once the part is with the server. Rejects with the server's error. */
  send(number: number, bytes: Buffer, signal: AbortSignal): Promise<void>
  /** Makes the object of all parts, and gives the answer to that. Rejects with the server's error. */
  complete(signal: AbortSignal): Promise<Answer>
}

/** Begins an upload; it is remembered before its first byte is sent. */
export async function beginUpload(
  bucket: Bucket,
  { key, token }: { readonly key: string; readonly token: string },
  signal: AbortSignal,
): Promise<MultipartUpload> {
  const at = objectAt(bucket, key)
  const asked = { ...at, ...customerKey(bucket) }
  const params = { ...asked, ...storedWith(bucket.options, key, token) }
  const created = await reaching(
    bucket,
    `write ${key}`,
    bucket.send(
      (client, options) => client.send(new CreateMultipartUploadCommand(params), options),
      signal,
    ),
  )
  const id = created.UploadId
  if (!id) throw new TargetUnreachable(`${placeOf(bucket.options)} began an upload without an id`)
  try {
    await bucket.uploads.began({ id, key, token })
  } catch (error) {
    await abortUpload(bucket, { key, id }, signal).catch(() => {})
    throw error
  }
  const parts: CompletedPart[] = []
  return {
    id,
    async send(number, bytes, signal) {
      // Every request is signed over the hash of its part, and no server takes other bytes than those.
      // An MD5 beside it makes an upload take a quarter longer: it is for a lock, which asks for it.
      const md5 = bucket.options.lock ? { ContentMD5: md5Of(bytes).toString('base64') } : {}
      const part = { ...asked, UploadId: id, PartNumber: number, Body: bytes }
      const answer = await bucket.send(
        (client, options) => client.send(new UploadPartCommand({ ...part, ...md5 }), options),
        signal,
      )
      parts[number - 1] = { PartNumber: number, ETag: answer.ETag }
    },
    async complete(signal) {
      const whole = { ...asked, UploadId: id, MultipartUpload: { Parts: parts } }
      return await onlyIfNew(
        bucket,
        key,
        (condition) =>
          bucket.send(
            (client, options) =>
              client.send(new CompleteMultipartUploadCommand({ ...whole, ...condition }), options),
            signal,
          ),
        signal,
      )
    },
  }
}

/** Takes an upload and its parts back, and forgets it. One that is gone already is a success. */
export async function abortUpload(
  bucket: Bucket,
  { key, id }: { readonly key: string; readonly id: string },
  signal: AbortSignal,
): Promise<void> {
  const asked = { ...objectAt(bucket, key), UploadId: id }
  const aborting = bucket.send(
    (client, options) => client.send(new AbortMultipartUploadCommand(asked), options),
    signal,
  )
  await reaching(
    bucket,
    `abort the upload of ${key}`,
    aborting.catch((error: unknown) => {
      if (codeOf(error) !== 'NoSuchUpload') throw error
    }),
  )
  await bucket.uploads.over(id)
}
