import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import {
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import {
  type Failure,
  ObjectExists,
  ObjectRetained,
  TargetUnreachable,
} from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Target } from '../../src/targets/target.ts'
import { objectsOf, unfinishedOf } from '../contract/target.ts'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { failureOf } from '../support/failures.ts'
import { type FaultyLink, startProxy } from '../support/proxy.ts'
import { blockOf, openTarget } from './s3-place.ts'

const MIB = 1024 * 1024
const signal = new AbortController().signal
let ceph: Ceph
let proxy: FaultyLink

beforeAll(async () => {
  ceph = await startCeph()
  proxy = await startProxy(ceph.port)
})
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]()
  await ceph?.[Symbol.asyncDispose]()
})

describe('a bucket that cannot be used', () => {
  it.each<readonly [what: string, over: Options, why: RegExp]>([
    ['behind a port where nothing listens', { endpoint: 'http://127.0.0.1:9' }, /nothing listens/],
    ['that does not exist', { bucket: 'nowhere' }, /there is no such bucket/],
    ['by a key that nobody knows', { access_key_id: new Secret('unknown') }, /does not know the/],
    ['by a wrong secret', { secret_access_key: new Secret('hush-hush') }, /secret does not match/],
  ])('%s is told by every verb, with its name, the step and a hint', async (_, over, why) => {
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket, over))
    const name = typeof over.bucket === 'string' ? over.bucket : bucket
    await expectEach(target, (failure, step) => {
      expect(failure).toBeInstanceOf(TargetUnreachable)
      expect(failure.message).toMatch(why)
      expect(failure.message).toContain(`cannot ${step}`)
      expect(failure.message).toContain(`bucket ${name} at 127.0.0.1:`)
      expect(failure.hint).not.toBeNull()
      expect(JSON.stringify([failure.message, failure.hint])).not.toContain('hush-hush')
    })
  })

  it('behind an address without TLS is told as such', async () => {
    const endpoint = ceph.endpoint.replace('http:', 'https:')
    const target = openTarget(blockOf(ceph, 'any', { endpoint }))
    await expectEach(target, (failure) => expect(failure.message).toContain('it speaks no TLS'))
  })

  it.each(['<html>hello</html>', 'hello', '<', '{}'])(
    'behind an address that speaks no S3 but %s is told as such',
    async (words) => {
      const server = createServer((_, answer) => answer.end(words))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      onTestFinished(() => void server.close())
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      const target = openTarget(blockOf(ceph, 'any', { endpoint: `http://127.0.0.1:${port}` }))
      const looks = [
        () => objectsOf(target, '', signal),
        () => target.stat('object', signal),
        () => target.get('object', 0, signal),
        () => target.put('new', body(10), { token: 't' }, signal),
      ]
      for (const look of looks) {
        const failure = await failureOf(look())
        expect(failure).toBeInstanceOf(TargetUnreachable)
        expect(failure.message).toContain('speaks no S3')
      }
    },
  )

  it('still works where the clock of this machine is an hour off', async () => {
    const target = openTarget(blockOf(ceph, await makeBucket(ceph)))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3600_000 })
    onTestFinished(() => void vi.useRealTimers())
    await target.put('a', body(10), { token: 't' }, signal)
    expect(await target.stat('a', signal)).toMatchObject({ bytes: 10 })
  })

  it('says so when its quota is used up, and leaves no upload behind', async () => {
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket))
    await target.put('old', body(1000), { token: 't' }, signal)
    const quota = ['--quota-scope=user', '--uid=holdfast']
    await ceph.admin('quota', 'set', ...quota, '--max-size=4M')
    await ceph.admin('quota', 'enable', ...quota)
    onTestFinished(async () => void (await ceph.admin('quota', 'disable', ...quota)))

    for (const bytes of [5 * MIB, 20 * MIB]) {
      const failure = await failureOf(target.put('new', body(bytes), { token: 't' }, signal))
      expect(failure).toBeInstanceOf(TargetUnreachable)
      expect(failure.message).toMatch(/cannot write new in bucket .*: the quota is used up/)
      expect(await keysOf(target)).toEqual(['old'])
      expect(await unfinishedOf(target, '', signal)).toEqual([])
    }
  })
})

describe('a key that may not do everything', () => {
  async function limited(denied: readonly string[]) {
    const bucket = await makeBucket(ceph)
    const user = `user-${bucket}`
    const keys = { accessKey: user, secretKey: 'limited-secret' }
    const made = ['user', 'create', `--uid=${user}`, '--display-name=limited']
    await ceph.admin(...made, `--access-key=${user}`, `--secret-key=${keys.secretKey}`)
    const principal = { AWS: [`arn:aws:iam:::user/${user}`] }
    const resources = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
    const statement = (Effect: string, Action: readonly string[]) => ({
      Effect,
      Principal: principal,
      Action,
      Resource: resources,
    })
    const Statement = [statement('Allow', ['s3:*']), statement('Deny', denied)]
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await clientOf(ceph).send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
    return openTarget(blockOf({ ...ceph, ...keys }, bucket))
  }

  it('puts and reads where it may not list, and is told so when it does', async () => {
    const target = await limited(['s3:ListBucket', 's3:ListBucketMultipartUploads'])
    await target.put('a/b', body(1000), { token: 't' }, signal)
    expect((await buffer(await target.get('a/b', 0, signal))).length).toBe(1000)
    const failure = await failureOf(objectsOf(target, '', signal))
    expect(failure.message).toMatch(/cannot list everything in bucket .*: access is denied/)
    expect(failure.hint).toContain('s3:ListBucket')
  })

  it('puts where it may not look, in one request and in parts, and replaces nothing', async () => {
    const target = await limited(['s3:GetObject'])
    for (const [key, bytes] of [
      ['one', 10],
      ['parts', 20 * MIB],
    ] as const) {
      const stored = await target.put(key, body(bytes), { token: 't' }, signal)
      expect(stored).toEqual({ bytes, readback: bytes === 10 ? 'etag' : 'checksum' })
    }
    await failureOf(target.put('one', body(20), { token: 'u' }, signal))
    const sizes = (await objectsOf(target, '', signal)).map(({ bytes }) => bytes)
    expect(sizes).toEqual([10, 20 * MIB])
  })

  it('may not delete: what it was asked to remove stays, and is told', async () => {
    const target = await limited(['s3:DeleteObject'])
    for (const key of ['a', 'b']) await target.put(key, body(10), { token: 't' }, signal)
    for (const keys of [['a'], ['a', 'b']]) {
      const stay = await target.remove(keys, signal)
      expect([...stay.keys()].sort()).toEqual(keys)
      expect(stay.get('a')).toBeInstanceOf(ObjectRetained)
      expect(stay.get('a')?.until).toBeNull()
    }
    expect(await keysOf(target)).toEqual(['a', 'b'])
  })

  it('may not write: nothing is there, and it is told', async () => {
    const target = await limited(['s3:PutObject'])
    for (const bytes of [10, 20 * MIB]) {
      const failure = await failureOf(target.put('a', body(bytes), { token: 't' }, signal))
      expect(failure.message).toMatch(/cannot write a in bucket .*: access is denied/)
      expect(failure.hint).toContain('s3:PutObject')
    }
    expect(await keysOf(target)).toEqual([])
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })
})

describe('a network that breaks', () => {
  const limits = { connect_timeout: 2000, stall_timeout: 1500, part_size: 5 * MIB }
  async function behindProxy() {
    proxy.heal()
    onTestFinished(() => proxy.heal())
    const bucket = await makeBucket(ceph)
    const over = { ...limits, endpoint: proxy.endpoint }
    return { bucket, target: openTarget(blockOf(ceph, bucket, over)) }
  }

  it('is ridden out at every point of an upload where one connection is cut', async () => {
    const { target, bucket } = await behindProxy()
    const content = randomBytes(12 * MIB)
    proxy.forget()
    await target.put('probe', pieces(content), { token: 't' }, signal)
    const [up, down] = [proxy.passed('up'), proxy.passed('down')]
    const points = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((tenth) => tenth / 10)
    let number = 0
    for (const [direction, total] of [
      ['up', up],
      ['down', down],
    ] as const) {
      for (const point of points) {
        const key = `cut/${++number}`
        proxy.cutAfter(direction, Math.floor(total * point))
        const stored = await target.put(key, pieces(content), { token: key }, signal)
        expect(stored.bytes).toBe(content.length)
        proxy.heal()
        expect((await buffer(await target.get(key, 0, signal))).equals(content), key).toBe(true)
      }
    }
    // A server that began an upload, and whose answer to that was lost, has one that nobody knows of.
    for (const one of await unfinishedOf(target, '', signal)) {
      expect(one.key).toMatch(/^cut\//)
      await target.abort(one, signal)
    }
    expect(await uploadsOf(bucket)).toBe(0)
  })

  it('leaves nothing of an upload behind, after the next pass, wherever it dies for good', async () => {
    const { target, bucket } = await behindProxy()
    const content = randomBytes(12 * MIB)
    for (const point of [0, 0.3, 0.6, 0.9, 0.999]) {
      proxy.cutAfter('up', Math.floor(12 * MIB * point), 'stay dead')
      const failure = await failureOf(target.put('dies', pieces(content), { token: 't' }, signal))
      expect(failure).toBeInstanceOf(TargetUnreachable)
      expect(failure.message).toContain('cannot write dies')
      proxy.heal()
      expect(await keysOf(target)).toEqual([])
      for (const one of await unfinishedOf(target, '', signal)) {
        expect(one).toMatchObject({ key: 'dies', token: 't' })
        await target.abort(one, signal)
      }
      expect(await uploadsOf(bucket)).toBe(0)
    }
  })

  it('is ridden out at every point of a download', async () => {
    const { target } = await behindProxy()
    const content = randomBytes(6 * MIB)
    await target.put('object', pieces(content), { token: 't' }, signal)
    for (const bytes of [0, 200, 1000, MIB, 3 * MIB, 6 * MIB - 1]) {
      proxy.cutAfter('down', bytes)
      expect(
        (await buffer(await target.get('object', 5, signal))).equals(content.subarray(5)),
      ).toBe(true)
      proxy.heal()
    }
  })

  it('ends a download that is dead for good, and says where', async () => {
    const { target } = await behindProxy()
    await target.put('object', body(6 * MIB), { token: 't' }, signal)
    proxy.cutAfter('down', 2 * MIB, 'stay dead')
    const failure = await failureOf(buffer(await target.get('object', 0, signal)))
    expect(failure).toBeInstanceOf(TargetUnreachable)
    expect(failure.message).toContain('cannot read object')
  })

  it('goes on with a download that stalled, once bytes come again', async () => {
    const { target } = await behindProxy()
    const content = randomBytes(6 * MIB)
    await target.put('object', pieces(content), { token: 't' }, signal)
    const stream = await target.get('object', 0, signal)
    proxy.stall()
    const reading = buffer(stream)
    await vi.waitFor(() => expect(proxy.requests.length).toBeGreaterThan(0))
    setTimeout(() => proxy.heal(), 2000)
    expect((await reading).equals(content)).toBe(true)
  })

  it('gives up every verb in time when the server stands still', async () => {
    const bucket = await makeBucket(ceph)
    const target = openTarget(blockOf(ceph, bucket, limits))
    await target.put('object', body(10), { token: 't' }, signal)
    process.kill(ceph.pid, 'SIGSTOP')
    onTestFinished(() => void process.kill(ceph.pid, 'SIGCONT'))
    const began = performance.now()
    await expectEach(target, (failure) => {
      expect(failure).toBeInstanceOf(TargetUnreachable)
      expect(failure.message).toContain('it does not answer in time')
    })
    expect(performance.now() - began).toBeLessThan(20_000)
    process.kill(ceph.pid, 'SIGCONT')
  })

  it('ends a put in time that is aborted while the server stands still', async () => {
    const target = openTarget(blockOf(ceph, await makeBucket(ceph)))
    const controller = new AbortController()
    const reason = new Error('told to stop')
    onTestFinished(() => void process.kill(ceph.pid, 'SIGCONT'))
    async function* stopping() {
      yield* body(20 * MIB)
      process.kill(ceph.pid, 'SIGSTOP')
      queueMicrotask(() => controller.abort(reason))
      yield* body(20 * MIB)
    }
    const putting = target.put('a', stopping(), { token: 't' }, controller.signal)
    const began = performance.now()
    await expect(putting).rejects.toBe(reason)
    expect(performance.now() - began).toBeLessThan(10_000)
    process.kill(ceph.pid, 'SIGCONT')
    expect(await keysOf(target)).toEqual([])
    for (const one of await unfinishedOf(target, '', signal)) {
      expect(one).toMatchObject({ key: 'a', token: 't' })
      await target.abort(one, signal)
    }
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })
})

describe('a bucket with foreign objects', () => {
  it('keeps every one of them, whatever is put, listed and removed beside', async () => {
    const bucket = await makeBucket(ceph)
    const client = clientOf(ceph)
    const foreign = ['readme', 'prod', 'prod-2/a', 'prod/a/', 'prod//odd', 'zzz']
    for (const Key of foreign) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
    }
    const target = openTarget(blockOf(ceph, bucket, { prefix: 'prod' }))
    await target.put('a/b', body(10), { token: 't' }, signal)
    expect(await keysOf(target)).toEqual(['/odd', 'a/', 'a/b'])
    await expect(target.put('a/b', body(1), { token: 'u' }, signal)).rejects.toBeInstanceOf(
      ObjectExists,
    )
    await target.remove(['a/b', 'a/c', 'readme'], signal)
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
    expect(Contents.map(({ Key }) => Key).sort()).toEqual(foreign.sort())
  })
})

/** Runs each verb that reaches the server, and shows what it failed with. */
async function expectEach(
  target: Target,
  check: (failure: Failure, step: string) => void,
): Promise<void> {
  const verbs: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['write new', () => target.put('new', body(10), { token: 't' }, signal)],
    ['read object', () => target.get('object', 0, signal)],
    ['look at object', () => target.stat('object', signal)],
    ['list everything', () => objectsOf(target, '', signal)],
    ['remove object', () => target.remove(['object'], signal)],
  ]
  await Promise.all(verbs.map(async ([step, verb]) => check(await failureOf(verb()), step)))
}

async function keysOf(target: Target): Promise<readonly string[]> {
  return (await objectsOf(target, '', signal)).map(({ key }) => key).sort()
}

async function uploadsOf(bucket: string): Promise<number> {
  const client = clientOf(ceph)
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads.length
}

async function* body(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= MIB) yield Buffer.alloc(Math.min(left, MIB), 1)
}

async function* pieces(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += MIB) yield content.subarray(at, at + MIB)
}
