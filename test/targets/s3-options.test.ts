import { describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { ConfigError } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { targetKinds } from '../../src/targets/index.ts'
import { b2, r2, s3 } from '../../src/targets/s3/kinds.ts'
import { readOptions } from '../../src/targets/s3/options.ts'
import { cutFor } from '../../src/targets/s3/parts.ts'
import { B2, type Profile, R2, S3 } from '../../src/targets/s3/profiles.ts'
import { surroundings } from '../support/surroundings.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const TIB = 1024 * GIB

const read = (options: Options, profile: Profile = S3) =>
  readOptions(section('targets.far', { bucket: 'b', ...options }), profile)

describe('a bucket in the config', () => {
  it('is in the registry under each of its words, and off the host', async () => {
    for (const kind of [s3, r2, b2]) {
      expect(await targetKinds.get(kind.kind)?.()).toBe(kind)
      expect(kind.offHost).toBe(true)
    }
  })

  it('has the region and the address style of its provider where it names none', () => {
    const endpoint = 'https://s3.us-west-004.backblazeb2.com/'
    expect(read({})).toMatchObject({ endpoint: null, region: null, pathStyle: false })
    expect(read({ endpoint: 'http://minio:9000' })).toMatchObject({
      region: 'us-east-1',
      pathStyle: true,
    })
    expect(read({ endpoint: 'https://x.example' }, R2)).toMatchObject({ region: 'auto' })
    expect(read({ endpoint }, B2)).toMatchObject({
      region: 'us-west-004',
      endpoint: 'https://s3.us-west-004.backblazeb2.com',
    })
    expect(read({ endpoint, region: 'else' }, B2).region).toBe('else')
  })

  const faults: readonly (readonly [key: string, options: Options, profile?: Profile])[] = [
    ['endpoint', {}, R2],
    ['endpoint', {}, B2],
    ['endpoint', { endpoint: 'minio:9000' }],
    ['endpoint', { endpoint: 'https://key:hush@minio' }],
    ['endpoint', { endpoint: 'https://minio/?x=1' }],
    ['prefix', { prefix: '../x' }],
    ['prefix', { prefix: '/x' }],
    ['secret_access_key', { access_key_id: new Secret('k') }],
    ['access_key_id', { secret_access_key: new Secret('hush') }],
    ['access_key_id', { session_token: new Secret('hush') }],
    ['part_size', { part_size: 5 * MIB - 1 }],
    [
      'server_side_encryption.customer_key',
      { server_side_encryption: { customer_key: new Secret('hush') } },
    ],
    [
      'server_side_encryption.kms_key_id',
      { server_side_encryption: { algorithm: 'AES256', kms_key_id: 'k' } },
    ],
  ]
  it.each(faults.map(([key, options, profile = S3]) => ({ key, options, profile })))(
    'names $key when it cannot be used, and no secret',
    ({ key, options, profile }) => {
      let fault: unknown
      try {
        read(options, profile)
      } catch (error) {
        fault = error
      }
      expect(fault).toBeInstanceOf(ConfigError)
      expect((fault as ConfigError).faults[0]?.path).toBe(`targets.far.${key}`)
      expect((fault as ConfigError).message).not.toContain('hush')
    },
  )

  it('takes a customer key as Base64 and as hexadecimal', () => {
    const bytes = Buffer.alloc(32, 7)
    for (const encoding of ['base64', 'hex'] as const) {
      const customer_key = new Secret(bytes.toString(encoding))
      const { encryption } = read({ server_side_encryption: { customer_key } })
      expect(encryption?.kind === 'customer' && encryption.key.reveal()).toBe(
        bytes.toString('base64'),
      )
    }
  })

  it('is configured without a look at the place', () => {
    const target = s3.configure(section('targets.far', { bucket: 'b' }), surroundings())
    expect(target.posture).toBeNull()
  })
})

describe('how a body is cut', () => {
  /** What 10,000 parts hold, and whether they grow only. */
  const reach = (profile: Profile, expected: number | null) => {
    const { parts } = read({ endpoint: 'https://x' }, profile)
    const cut = cutFor({ profile, parts }, expected)
    const sizes = Array.from({ length: 10_000 }, (_, index) => cut(index + 1) ?? 0)
    expect(cut(10_001)).toBeNull()
    return { sizes, total: sizes.reduce((sum, size) => sum + size, 0), first: sizes[0] ?? 0 }
  }

  it('takes 8 MiB at a time, and 32 of R2, for whatever is small', () => {
    for (const expected of [null, 0, 1, 50 * GIB]) {
      expect(reach(S3, expected).first).toBe(8 * MIB)
      expect(reach(R2, expected).first).toBe(32 * MIB)
    }
  })

  it('fits 10,000 parts, however large the body and however bad the guess', () => {
    for (const expected of [null, 1, 100 * GIB, TIB, 4 * TIB]) {
      const { total, sizes } = reach(S3, expected)
      expect(total).toBeGreaterThan(Math.max(2 * TIB, expected ?? 0))
      expect(sizes.every((size, index) => index === 0 || size >= (sizes[index - 1] ?? 0))).toBe(
        true,
      )
    }
  })

  it('gives R2 parts of one size, which fit twice what is expected', () => {
    for (const expected of [null, GIB, 500 * GIB, 2 * TIB]) {
      const { sizes, total } = reach(R2, expected)
      expect(new Set(sizes).size).toBe(1)
      expect(total).toBeGreaterThanOrEqual(2 * (expected ?? 0))
    }
  })
})
