import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import {
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ObjectExists, Refused } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { BegunUpload, Target } from '../../src/targets/target.ts'
import { objectsOf, unfinishedOf } from '../contract/target.ts'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { startProxy } from '../support/proxy.ts'
import { surroundings } from '../support/surroundings.ts'
import { blockOf, openTarget } from './s3-place.ts'

const MIB = 1024 * 1024
const DAY = 24 * 3600_000
const signal = new AbortController().signal
let ceph: Ceph

beforeAll(async () => {
  ceph = await startCeph()
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
})

describe('a bucket that keeps versions', () => {
  async function versioned() {
    const bucket = await makeBucket(ceph)
    await clientOf(ceph).send(
      new PutBucketVersioningCommand({
        Bucket: bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    )
    return bucket
  }
  async function versionsIn(bucket: string) {
    const answer = await clientOf(ceph).send(new ListObjectVersionsCommand({ Bucket: bucket }))
    const all = [...(answer.Versions ?? []), ...(answer.DeleteMarkers ?? [])]
    return all.map(({ Key }) => Key).sort()
  }

  it('loses every version and marker of what is removed, and of nothing else', async () => {
    const bucket = await versioned()
    const client = clientOf(ceph)
    for (const Key of ['a', 'a', 'a', 'a.manifest.json', 'ab', 'b']) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }))
    }
    const target = openTarget(blockOf(ceph, bucket))
    expect((await target.remove(['a', 'b', 'never'], signal)).size).toBe(0)
    expect(await versionsIn(bucket)).toEqual(['a.manifest.json', 'ab'])
  })

  it('is found out by the marker that a delete leaves, when it was changed meanwhile', async () => {
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket))
    await target.remove(['never'], signal)
    await clientOf(ceph).send(
      new PutBucketVersioningCommand({
        Bucket: bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    )
    for (const key of ['a', 'b', 'c']) await target.put(key, body(10), { token: 't' }, signal)
    await target.remove(['a'], signal)
    await target.remove(['b', 'c'], signal)
    expect(await versionsIn(bucket)).toEqual([])
  })
})

describe('a bucket with object lock', () => {
  const lock = { object_lock: { mode: 'compliance', days: 2 } }

  it('keeps archives and manifests for as long as they are locked, and says until when', async () => {
    const bucket = await makeBucket(ceph, { ObjectLockEnabledForBucket: true })
    const target = openTarget(blockOf(ceph, bucket, { ...lock, part_size: 5 * MIB }))
    const keys = ['a.tar', 'a.tar.manifest.json', 'a.tar.pin.json']
    for (const key of keys) {
      await target.put(key, body(key === 'a.tar' ? 12 * MIB : 10), { token: 't' }, signal)
    }
    for (const ask of [() => target.retained(keys, signal), () => target.remove(keys, signal)]) {
      const stay = await ask()
      expect([...stay.keys()].sort()).toEqual(keys.slice(0, 2))
      const until = stay.get('a.tar')?.until ?? 0
      expect(Math.abs(until - (Date.now() + 2 * DAY))).toBeLessThan(60_000)
    }
    expect(await keysOf(target)).toEqual(keys.slice(0, 2))
  })

  it('takes nothing that it cannot lock: a bucket without object lock', async () => {
    const target = openTarget(blockOf(ceph, await makeBucket(ceph), lock))
    for (const bytes of [10, 20 * MIB]) {
      await expect(target.put('a', body(bytes), { token: 't' }, signal)).rejects.toThrow(
        /cannot write a in bucket/,
      )
    }
    expect(await keysOf(target)).toEqual([])
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })

  it('keeps what is under a legal hold, and says so', async () => {
    const bucket = await makeBucket(ceph, { ObjectLockEnabledForBucket: true })
    const target = openTarget(blockOf(ceph, bucket))
    await target.put('held', body(10), { token: 't' }, signal)
    await clientOf(ceph).send(
      new PutObjectLegalHoldCommand({ Bucket: bucket, Key: 'held', LegalHold: { Status: 'ON' } }),
    )
    const stay = await target.remove(['held'], signal)
    expect(stay.get('held')?.hint).toContain('legal hold')
    expect(await keysOf(target)).toEqual(['held'])
  })
})

describe('what an object is stored with', () => {
  it('is a key of the customer, without which nobody reads it, in parts and in ranges', async () => {
    const bucket = await makeBucket(ceph)
    const customer_key = new Secret(randomBytes(32).toString('base64'))
    const over = { server_side_encryption: { customer_key }, part_size: 5 * MIB }
    const target = openTarget(blockOf(ceph, bucket, over))
    const content = randomBytes(12 * MIB)
    const stored = await target.put('large', pieces(content), { token: 't' }, signal)
    expect(stored).toEqual({ bytes: content.length, readback: 'checksum' })
    expect(await target.put('small', body(10), { token: 't' }, signal)).toMatchObject({ bytes: 10 })
    const rest = await buffer(await target.get('large', 7 * MIB, signal))
    expect(rest.equals(content.subarray(7 * MIB))).toBe(true)
    expect(await target.stat('large', signal)).toMatchObject({ bytes: content.length })
    expect(await target.link('large', signal)).toBeNull()
    const without = openTarget(blockOf(ceph, bucket))
    await expect(without.get('large', 0, signal)).rejects.toThrow(/cannot read large/)
  })

  it('is checked by the ETag of one part, and by the checksums of many', async () => {
    const target = openTarget(blockOf(ceph, await makeBucket(ceph), { part_size: 5 * MIB }))
    const small = await target.put('small', body(5 * MIB), { token: 't' }, signal)
    const large = await target.put('large', body(5 * MIB + 1), { token: 't' }, signal)
    expect([small.readback, large.readback]).toEqual(['etag', 'checksum'])
  })

  it('can be read by its link, and by no other', async () => {
    const target = openTarget(blockOf(ceph, await makeBucket(ceph), { prefix: 'prod/' }))
    const content = randomBytes(1000)
    await target.put('a b/ü', pieces(content), { token: 't' }, signal)
    const link = (await target.link('a b/ü', signal)) ?? ''
    expect(new URL(link).searchParams.get('X-Amz-Expires')).toBe('3600')
    expect(Buffer.from(await (await fetch(link)).arrayBuffer()).equals(content)).toBe(true)
    const forged = link.replace(/X-Amz-Signature=./, 'X-Amz-Signature=z')
    expect((await fetch(forged)).status).toBe(403)
  })
})

describe('requests', () => {
  it('delete a thousand objects at a time', async () => {
    await using proxy = await startProxy(ceph.port)
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket, { endpoint: proxy.endpoint }))
    await target.put('k1', body(1), { token: 't' }, signal)
    await target.remove(['never'], signal)
    proxy.forget()
    const keys = Array.from({ length: 2500 }, (_, n) => `k${n}`)
    await target.remove(keys, signal)
    expect(proxy.requests.length).toBe(3)
    expect(proxy.requests.every((one) => one.startsWith(`POST /${bucket}`))).toBe(true)
    expect(await keysOf(target)).toEqual([])
  })

  it('share one connection pool, however often a target is configured', async () => {
    await using proxy = await startProxy(ceph.port)
    const block = blockOf(ceph, await makeBucket(ceph), { endpoint: proxy.endpoint })
    await openTarget(block).put('a', body(10), { token: 't' }, signal)
    proxy.forget()
    for (let time = 0; time < 5; time++) await openTarget(block).stat('a', signal)
    expect(proxy.requests.length).toBe(5)
    expect(proxy.connections).toBe(1)
  })
})

describe('an upload in parts', () => {
  it('is remembered before its first part is sent, and forgotten when it is an object', async () => {
    await using proxy = await startProxy(ceph.port)
    const told: string[] = []
    const open = new Map<string, BegunUpload>()
    const uploads = {
      began: async (upload: BegunUpload) => {
        told.push(`began ${upload.key} ${upload.token}`)
        told.push(`${proxy.requests.filter((one) => one.startsWith('PUT')).length} parts`)
        open.set(upload.id, upload)
      },
      over: async (id: string) => void open.delete(id),
      open: async () => [...open.values()],
    }
    const block = blockOf(ceph, await makeBucket(ceph), { endpoint: proxy.endpoint })
    const target = openTarget(block, { uploads })
    await target.put('a', body(20 * MIB), { token: 'tok' }, signal)
    expect(told).toEqual(['began a tok', '0 parts'])
    expect(open.size).toBe(0)
  })

  it('is no object, and not there any more, when the log of uploads cannot be written', async () => {
    const broken = new Error('the state is gone')
    const { uploads } = surroundings()
    const target = openTarget(blockOf(ceph, await makeBucket(ceph)), {
      uploads: { ...uploads, began: () => Promise.reject(broken) },
    })
    await expect(target.put('a', body(20 * MIB), { token: 't' }, signal)).rejects.toBe(broken)
    expect(await keysOf(target)).toEqual([])
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })

  it('is taken back when its body fails or it is told to stop, before the put rejects', async () => {
    const bucket = await makeBucket(ceph)
    const { uploads } = surroundings()
    const target = openTarget(blockOf(ceph, bucket), { uploads })
    const broken = new Error('the source broke')
    async function* breaking() {
      yield* body(20 * MIB)
      throw broken
    }
    await expect(target.put('a', breaking(), { token: 't' }, signal)).rejects.toBe(broken)
    expect(await uploads.open()).toEqual([])

    const reason = new Error('told to stop')
    const controller = new AbortController()
    async function* hanging() {
      yield* body(20 * MIB)
      controller.abort(reason)
      await new Promise(() => {})
    }
    await expect(target.put('a', hanging(), { token: 't' }, controller.signal)).rejects.toBe(reason)
    expect(await uploads.open()).toEqual([])
    expect(await unfinishedOf(target, '', signal)).toEqual([])
    expect(await keysOf(target)).toEqual([])
  })

  it('keeps its object when it is aborted after all', async () => {
    const bucket = await makeBucket(ceph)
    const ids: string[] = []
    const { uploads } = surroundings()
    const target = openTarget(blockOf(ceph, bucket), {
      uploads: { ...uploads, began: async ({ id }) => void ids.push(id) },
    })
    await target.put('a', body(20 * MIB), { token: 't' }, signal)
    for (const upload of ids) {
      await target.abort({ key: 'a', token: 't', bytes: 0 as never, upload }, signal)
    }
    expect((await buffer(await target.get('a', 0, signal))).length).toBe(20 * MIB)
  })

  it('never replaces an object that another process put meanwhile', async () => {
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket))
    const client = clientOf(ceph)
    for (const bytes of [10, 20 * MIB]) {
      const Key = `key-${bytes}`
      async function* overtaken() {
        yield* body(bytes)
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'theirs' }))
      }
      await expect(target.put(Key, overtaken(), { token: 't' }, signal)).rejects.toBeInstanceOf(
        ObjectExists,
      )
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      expect(await Body?.transformToString()).toBe('theirs')
    }
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })

  it('takes no more memory than its parts, and its sockets keep no process from its end', async () => {
    const bucket = await makeBucket(ceph)
    const { endpoint, accessKey: access_key_id, secretKey: secret_access_key } = ceph
    const options = JSON.stringify({ bucket, endpoint, access_key_id, secret_access_key })
    const child = join(import.meta.dirname, 's3-memory-child.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [child, options], {
      timeout: 60_000,
    })
    // 4 parts of 8 MiB, the one that is being filled, and the SDK at work.
    expect(Number(stdout)).toBeLessThan(60)
    const head = new HeadObjectCommand({ Bucket: bucket, Key: 'large' })
    expect((await clientOf(ceph).send(head)).ContentLength).toBe(200 * MIB)
  })
})

describe('how a bucket is set up', () => {
  const expectations = {
    versioning: true,
    abort_multipart_days: 3,
    object_lock: { mode: 'governance', days: 1 },
    encryption: 'sse-s3',
    public_access: 'off',
  }
  const states = async (target: Target) => {
    const findings = (await target.posture?.observe(signal)) ?? []
    return Object.fromEntries(
      findings.map(({ setting, found, met, settable }) => [setting, [found, met, settable]]),
    )
  }

  it('is told setting by setting, and set by nobody who may not', async () => {
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket, { expect: expectations }))
    const found = await states(target)
    expect(found.versioning).toEqual(['off', false, false])
    expect(found.abort_multipart).toEqual(['never', false, false])
    expect(found.object_lock).toEqual(['off', false, false])
    expect(Object.keys(found).length).toBe(5)
    await expect(target.posture?.set('versioning', signal)).rejects.toBeInstanceOf(Refused)
    expect((await states(target)).versioning).toEqual(['off', false, false])
  })

  it('is set where that is allowed, and keeps the rules that others made', async () => {
    const bucket = await makeBucket(ceph, { ObjectLockEnabledForBucket: true })
    const client = clientOf(ceph)
    const theirs = { ID: 'theirs', Status: 'Enabled', Filter: { Prefix: 'x/' } } as const
    const Rules = [{ ...theirs, Expiration: { Days: 9 } }]
    await client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: bucket,
        LifecycleConfiguration: { Rules },
      }),
    )
    const over = { expect: expectations, manage: true, prefix: 'prod/' }
    const target = openTarget(blockOf(ceph, bucket, over))
    expect((await states(target)).object_lock).toEqual(['on, nothing by default', false, true])
    for (const setting of [
      'versioning',
      'abort_multipart',
      'object_lock',
      'public_access',
    ] as const) {
      await target.posture?.set(setting, signal)
    }
    expect(await states(target)).toMatchObject({
      versioning: ['on', true, true],
      abort_multipart: ['after 3 days', true, true],
      object_lock: ['governance for 1 day', true, true],
      public_access: ['off', true, true],
    })
    const { Rules: rules = [] } = await client.send(
      new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }),
    )
    expect(rules.map(({ ID }) => ID).sort()).toEqual([
      expect.stringMatching(/^holdfast-abort-multipart-/),
      'theirs',
    ])
    expect(rules.find(({ ID }) => ID === 'theirs')?.Expiration?.Days).toBe(9)
  })

  it('is set for one target and stays as another in the same bucket set it', async () => {
    const bucket = await makeBucket(ceph)
    const client = clientOf(ceph)
    const old = (ID: string, Prefix: string, DaysAfterInitiation: number) => ({
      ID,
      Status: 'Enabled' as const,
      Filter: { Prefix },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation },
    })
    const Rules = [old('holdfast-abort-multipart', 'old/', 9)]
    await client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: bucket,
        LifecycleConfiguration: { Rules },
      }),
    )
    const over = { expect: { abort_multipart_days: 3 }, manage: true }
    const rulesNow = async () => {
      const asked = new GetBucketLifecycleConfigurationCommand({ Bucket: bucket })
      const { Rules: rules = [] } = await client.send(asked)
      return rules.map(({ Filter }) => Filter?.Prefix).sort()
    }
    const targets = ['a', 'b'].map((prefix) =>
      openTarget(blockOf(ceph, bucket, { ...over, prefix })),
    )
    for (const target of targets) await target.posture?.set('abort_multipart', signal)
    expect(await rulesNow()).toEqual(['a/', 'b/', 'old/'])
    for (const target of targets) {
      expect((await states(target)).abort_multipart).toEqual(['after 3 days', true, true])
    }
    const renamed = openTarget(blockOf(ceph, bucket, { ...over, prefix: 'old' }))
    await renamed.posture?.set('abort_multipart', signal)
    expect(await rulesNow()).toEqual(['a/', 'b/', 'old/'])
    expect((await states(renamed)).abort_multipart).toEqual(['after 3 days', true, true])
  })

  it('is never set to less than it was', async () => {
    const bucket = await makeBucket(ceph, { ObjectLockEnabledForBucket: true })
    const set = async (mode: string, days: number) => {
      const expect = { object_lock: { mode, days } }
      const target = openTarget(blockOf(ceph, bucket, { expect, manage: true }))
      await target.posture?.set('object_lock', signal)
      return (await states(target)).object_lock
    }
    expect(await set('governance', 9)).toEqual(['governance for 9 days', true, true])
    expect(await set('compliance', 2)).toEqual(['compliance for 9 days', true, true])
    expect(await set('governance', 12)).toEqual(['compliance for 12 days', true, true])
  })
})

async function keysOf(target: Target): Promise<readonly string[]> {
  return (await objectsOf(target, '', signal)).map(({ key }) => key).sort()
}

async function* body(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= MIB) yield Buffer.alloc(Math.min(left, MIB), 1)
}

async function* pieces(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += MIB) yield content.subarray(at, at + MIB)
}
