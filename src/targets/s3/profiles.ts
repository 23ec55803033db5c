import type { Bytes } from '../../core/model.ts'

/** How the stores that speak the language of S3 differ, as far as the config does not say. */
export interface Profile {
  readonly kind: 's3' | 'r2' | 'b2'
  /** What to write as endpoint where it cannot be left out; null where it can. */
  readonly needsEndpoint: string | null
  /** The region where the config names none; null: the environment's. */
  region(endpoint: string | null): string | null
  readonly parts: { readonly bytes: Bytes; readonly parallel: number }
  /** All parts of an upload must have one size, but for the last. */
  readonly equalParts: boolean
}

const MIB = 1024 * 1024

/** Amazon S3; with an endpoint MinIO, Garage, Ceph, Swift's s3api and whoever else speaks it. */
export const S3: Profile = {
  kind: 's3',
  needsEndpoint: null,
  region: (endpoint) => (endpoint === null ? null : 'us-east-1'),
  parts: { bytes: (8 * MIB) as Bytes, parallel: 4 },
  equalParts: false,
}

/** Cloudflare R2. Parts cannot grow, so they begin large enough for 312 GiB; two keep to the memory. */
export const R2: Profile = {
  kind: 'r2',
  needsEndpoint: 'write endpoint: https://ACCOUNT_ID.r2.cloudflarestorage.com',
  region: () => 'auto',
  parts: { bytes: (32 * MIB) as Bytes, parallel: 2 },
  equalParts: true,
}

/** Backblaze B2. The region stands in the name of its endpoint. */
export const B2: Profile = {
  kind: 'b2',
  needsEndpoint: 'write endpoint: https://s3.REGION.backblazeb2.com, as the bucket’s page shows it',
  region(endpoint) {
    const host = endpoint === null ? '' : (URL.parse(endpoint)?.hostname ?? '')
    return /^s3\.([a-z0-9-]+)\.backblazeb2\.com$/.exec(host)?.[1] ?? 'us-west-001'
  },
  parts: { bytes: (8 * MIB) as Bytes, parallel: 4 },
  equalParts: false,
}
