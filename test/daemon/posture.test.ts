import { GetBucketVersioningCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { type Loop, makeLoop } from './loop.ts'

let ceph: Ceph

beforeAll(async () => {
  ceph = await startCeph()
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
})

const configOf = (bucket: string) => ({
  targets: {
    far: {
      type: 's3',
      bucket,
      endpoint: ceph.endpoint,
      access_key_id: ceph.accessKey,
      secret_access_key: ceph.secretKey,
      expect: { versioning: true },
      manage: true,
    },
  },
  jobs: {},
})

async function setVersioning(bucket: string, Status: 'Enabled' | 'Suspended') {
  const VersioningConfiguration = { Status }
  await clientOf(ceph).send(
    new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }),
  )
}

async function takeInventory(loop: Loop): Promise<readonly unknown[]> {
  const before = loop.named('drift.found').length
  loop.dispatch().askInventory()
  await loop.quiet()
  return loop.named('drift.found').slice(before)
}

describe('a bucket that is not as the file expects', () => {
  it('is told once for each change of what is found, and never changed by the daemon', async () => {
    const bucket = await makeBucket(ceph)
    await using loop = await makeLoop(configOf(bucket), { now: '2026-11-01T12:00:00Z' })
    const drift = (found: string) => ({
      level: 'warn',
      target: 'far',
      message: expect.stringContaining(`versioning is ${found}, expected: on`),
      detail: { settings: [{ setting: 'versioning', expected: 'on', found, settable: true }] },
    })
    expect(await takeInventory(loop)).toMatchObject([drift('off')])
    expect(await takeInventory(loop)).toEqual([])
    await setVersioning(bucket, 'Suspended')
    expect(await takeInventory(loop)).toMatchObject([drift('suspended')])
    await setVersioning(bucket, 'Enabled')
    expect(await takeInventory(loop)).toEqual([])
    await setVersioning(bucket, 'Suspended')
    expect(await takeInventory(loop)).toMatchObject([drift('suspended')])
    const asked = new GetBucketVersioningCommand({ Bucket: bucket })
    expect((await clientOf(ceph).send(asked)).Status).toBe('Suspended')
  })
})
