import { createHash } from 'node:crypto'

/** How a server answered to bytes that came with their MD5. */
export interface Answer {
  readonly ETag?: string | undefined
  readonly ServerSideEncryption?: string | undefined
  readonly SSECustomerAlgorithm?: string | undefined
  /** Of the object that was made, where the bucket keeps versions. */
  readonly VersionId?: string | undefined
}

/**
 * Whether the answer shows that the server has the bytes of this MD5. Where a key of the key service
 * or of the customer encrypts, an ETag is no hash; such servers check the MD5 that was sent.
 */
export function proves(answer: Answer, md5: Buffer): boolean {
  if (etagOf(answer) === md5.toString('hex')) return true
  const { ServerSideEncryption, SSECustomerAlgorithm } = answer
  return SSECustomerAlgorithm !== undefined || ServerSideEncryption?.startsWith('aws:kms') === true
}

/** The ETag without its quotes; null where there is none. */
export function etagOf({ ETag }: Answer): string | null {
  return ETag?.replaceAll('"', '') || null
}

export function md5Of(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}
