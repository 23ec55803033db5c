import { GetObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { type Bucket, objectAt } from './bucket.ts'

/** How long a link is good, in seconds. */
const GOOD_FOR = 3600

/** An address under which whoever has it can read the object for an hour; null where the customer's key encrypts. */
export async function linkTo(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (bucket.options.encryption?.kind === 'customer') return null
  const command = new GetObjectCommand(objectAt(bucket, key))
  return await bucket.send(
    (client) => getSignedUrl(client, command, { expiresIn: GOOD_FOR }),
    signal,
  )
}
