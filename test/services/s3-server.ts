import { CreateBucketCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'

/** A real server that speaks S3, on the loopback. */
export interface S3Server extends AsyncDisposable {
  readonly port: number
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
}

let buckets = 0

/** A client of the tests' own: for what a target is not asked for. */
export function clientOf(server: S3Server, over: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
    ...over,
  })
}

/** Makes a bucket of its own and gives its name. */
export async function makeBucket(
  server: S3Server,
  over: { readonly ObjectLockEnabledForBucket?: boolean } = {},
): Promise<string> {
  const Bucket = `bucket-${process.pid}-${++buckets}`
  await clientOf(server).send(new CreateBucketCommand({ Bucket, ...over }))
  return Bucket
}
