import type { S3Client } from '@aws-sdk/client-s3'
import { unlessAborted } from '../../lib/limits.ts'
import type { UploadLog } from '../target.ts'
import { connect, type Learnt } from './client.ts'
import { trouble } from './errors.ts'
import type { S3Options } from './options.ts'

/** A bucket as the verbs of the target see it. */
export interface Bucket {
  readonly options: S3Options
  readonly learnt: Learnt
  readonly uploads: UploadLog
  /**
   * One call, its retries among it. Rejects with the server's error as the SDK gives it, or at once
   * with the signal's reason.
   */
  send<Answer>(call: Call<Answer>, signal: AbortSignal): Promise<Answer>
}

export type Call<Answer> = (client: S3Client, options: CallOptions) => Promise<Answer>

export interface CallOptions {
  readonly abortSignal: AbortSignal
}

/** The bucket of these options. Does no I/O. */
export function openBucket(options: S3Options, uploads: UploadLog): Bucket {
  return {
    options,
    uploads,
    // Not before it is needed: a config can be checked without.
    get learnt() {
      return connect(options).learnt
    },
    async send(call, signal) {
      signal.throwIfAborted()
      const { client } = connect(options)
      return await unlessAborted(call(client, { abortSignal: signal }), signal)
    },
  }
}

/** What every request about an object names. */
export function objectAt({ options }: Bucket, key: string): { Bucket: string; Key: string } {
  return { Bucket: options.bucket, Key: options.prefix + key }
}

/** What a request needs beside, where the customer's key encrypts: the server forgets it each time. */
export function customerKey({ options }: Bucket) {
  const { encryption } = options
  if (encryption?.kind !== 'customer') return {}
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKey: encryption.key.reveal() }
}

/** `work` at the bucket, its errors told as what they mean. Errors of a body never pass here. */
export async function reaching<T>(
  { options }: Bucket,
  attempt: string,
  work: Promise<T>,
): Promise<T> {
  return await work.catch((error: unknown) => {
    throw trouble(options, attempt, error)
  })
}
