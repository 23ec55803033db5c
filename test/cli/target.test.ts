import { mkdir } from 'node:fs/promises'
import {
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probeFolder } from '../../src/core/probe.ts'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { type Sshd, startSshd } from '../services/sshd.ts'
import { commandLine, type Said } from '../support/command-line.ts'
import { type Document, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { mountReadOnly } from '../support/mounts.ts'
import { startProxy } from '../support/proxy.ts'

const MINUTE = 60_000
let ceph: Ceph
let sshd: Sshd

beforeAll(async () => {
  ceph = await startCeph()
  sshd = await startSshd()
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
  await sshd?.[Symbol.asyncDispose]()
})

const bucketBlock = (bucket: string, more: object = {}) => ({
  type: 's3',
  bucket,
  endpoint: ceph.endpoint,
  access_key_id: ceph.accessKey,
  secret_access_key: ceph.secretKey,
  ...more,
})

const sshBlock = (path: string, more: object = {}) => ({
  type: 'ssh',
  host: '127.0.0.1',
  port: sshd.port,
  username: sshd.username,
  path,
  private_key: sshd.keys.plain,
  ...more,
})

const withTargets = (targets: object) =>
  makeWorkspace(JSON.stringify({ data_dir: 'state', targets, jobs: {} }))

/** `target test --json`, and the steps of each target by their names. */
async function test(
  work: Workspace,
  over: Partial<Parameters<typeof commandLine>[1]> = {},
): Promise<Pick<Said, 'code' | 'err'> & { readonly targets: Record<string, Document> }> {
  const { code, err, document } = await commandLine(['target', 'test', '--json'], {
    cwd: work.root,
    ...over,
  })
  const entries = document().targets.map((one: Document) => {
    const steps = one.steps.map((step: Document) => [step.step, step])
    return [one.id, { ...one, ...Object.fromEntries(steps) }]
  })
  return { code, err, targets: Object.fromEntries(entries) }
}

async function keysIn(bucket: string): Promise<readonly string[]> {
  const { Contents } = await clientOf(ceph).send(new ListObjectsV2Command({ Bucket: bucket }))
  return (Contents ?? []).map(({ Key = '' }) => Key)
}

const verdicts = (one: Document): Record<string, string> =>
  Object.fromEntries(
    one.steps.map(({ step, verdict }: { step: string; verdict: string }) => [step, verdict]),
  )

const MOVED = ['reach', 'write', 'read', 'stat', 'list', 'range', 'overwrite', 'clock', 'delete']

describe('target test', () => {
  it('tries a bucket, another machine and a folder to the end, and leaves nothing on any', async () => {
    const bucket = await makeBucket(ceph)
    await using work = await withTargets({})
    const config = {
      data_dir: 'state',
      targets: {
        far: bucketBlock(bucket, { part_size: '5MiB', prefix: 'prod/' }),
        nas: sshBlock(work.at('nas')),
        shelf: { type: 'local', path: './shelf' },
      },
    }
    await work.write({ 'holdfast.yml': JSON.stringify(config) })
    const { code, targets } = await test(work)
    for (const [id, type] of [
      ['far', 's3'],
      ['nas', 'ssh'],
      ['shelf', 'local'],
    ] as const) {
      const one = targets[id]
      expect(one).toMatchObject({ id, type, verdict: 'ok', leftovers: [] })
      for (const step of [...MOVED, 'sweep', 'throughput'])
        expect([id, one[step]]).toEqual([id, expect.objectContaining({ verdict: 'ok' })])
      expect(one.throughput.bytesUp).toBeGreaterThan(0)
      expect(one.throughput.bytesDown).toBeGreaterThan(0)
      expect(one.clock.clockMs).toBe(0)
    }
    expect(code).toBe(0)
    expect(targets.far.throughput.message).toContain('proven by its checksum')
    expect(targets.nas.space.freeBytes).toBeGreaterThan(0)
    expect(targets.far.space).toMatchObject({ verdict: 'skipped' })
    expect(await keysIn(bucket)).toEqual([])
    expect(await work.files('nas')).toEqual({})
    expect(await work.files('shelf')).toEqual({})

    const page = await work.ok(['backup', 'target', 'test', 'shelf'])
    expect(page.stdout).toMatch(/^shelf \(local\): ok\n {2}ok {7}reach /)
    expect(page.stdout).not.toContain('nas')
    expect((await work.ok(['target', 'test', 'shelf', '--quiet'])).stdout.trim()).toBe('')
  })

  it('names the target and the step that failed, with what to do, and ends with its code', async () => {
    await using work = await makeWorkspace()
    await mkdir(work.at('ro'))
    await using readOnly = await mountReadOnly(work.at('ro'))
    await using stopped = await startProxy(ceph.port)
    stopped.cutAfter('up', 0, 'stay dead')
    const bucket = await makeBucket(ceph)
    const away = {
      secret: bucketBlock(bucket, { secret_access_key: 'another' }),
      missing: bucketBlock('no-such-bucket'),
      stopped: bucketBlock(bucket, { endpoint: stopped.endpoint }),
      stranger: sshBlock(work.at('nas'), { private_key: sshd.keys.stranger }),
    }
    const fixed = { type: 'local', path: readOnly.path }
    const of = async (targets: object) => {
      await work.write({ 'holdfast.yml': JSON.stringify({ data_dir: 'state', targets }) })
      return await test(work)
    }
    const all = await of({ ...away, fixed, shelf: { type: 'local', path: './shelf' } })
    expect(all.code).toBe(13)
    for (const id of Object.keys(away)) {
      const { reach, write, space, verdict } = all.targets[id]
      expect([id, verdict, reach]).toEqual([
        id,
        'failed',
        expect.objectContaining({
          verdict: 'failed',
          error: expect.objectContaining({ hint: expect.any(String) }),
        }),
      ])
      expect([write, space]).toMatchObject(Array(2).fill({ verdict: 'skipped' }))
      expect(write.message).toBe('not tried: reach failed')
    }
    expect(all.targets.secret.reach.message).toContain('the secret does not match')
    expect(all.targets.missing.reach.message).toContain('there is no such bucket')
    expect(all.targets.shelf.verdict).toBe('ok')
    expect((await of({ fixed })).code).toBe(1)
    expect(verdicts(all.targets.fixed)).toMatchObject({
      reach: 'ok',
      write: 'failed',
      read: 'skipped',
      delete: 'skipped',
      throughput: 'skipped',
    })
    const page = await work.run(['target', 'test', 'fixed'])
    expect(page.code).toBe(1)
    expect(page.stdout).toMatch(/^fixed \(local\): failed\n[\s\S]* failed {3}write .*read-only/)
    expect(page.stdout).toContain('\n      hint: ')
  })

  it('says until when a lock holds its probe, and leaves nothing large there', async () => {
    const bucket = await makeBucket(ceph, { ObjectLockEnabledForBucket: true })
    const lock = { mode: 'governance', days: 1 }
    await using work = await withTargets({ far: bucketBlock(bucket, { object_lock: lock }) })
    const { code, targets } = await test(work)
    expect([code, targets.far.verdict]).toEqual([0, 'ok'])
    expect(targets.far.delete).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/^the lock holds: retained until 20.*: the probe stays$/),
    })
    expect(targets.far.throughput.verdict).toBe('skipped')
    expect(targets.far.leftovers).toEqual(await keysIn(bucket))
    expect(targets.far.leftovers).toHaveLength(1)

    // What stays is ours, and no reason to do anything.
    await work.ok(['apply', '--yes'])
    expect((await work.ok(['plan', '--json'])).document.actions).toEqual([])
    const { document } = await work.ok(['target', 'list', '--json'])
    expect(document.targets).toMatchObject([{ foreign: 0, unfinished: 0, state: 'listed' }])
  })

  it('says that the key is append-only, which is no failure', async () => {
    const bucket = await makeBucket(ceph)
    const deny = { Effect: 'Deny', Principal: '*', Action: ['s3:DeleteObject'] }
    const Statement = [{ ...deny, Resource: [`arn:aws:s3:::${bucket}/*`] }]
    await clientOf(ceph).send(
      new PutBucketPolicyCommand({
        Bucket: bucket,
        Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
      }),
    )
    await using work = await withTargets({ far: bucketBlock(bucket) })
    const { code, targets } = await test(work)
    expect([code, targets.far.verdict]).toEqual([0, 'ok'])
    expect(targets.far.delete.message).toContain('append-only')
    expect(targets.far.throughput.verdict).toBe('skipped')
    expect(targets.far.leftovers).toHaveLength(1)
    expect((await commandLine(['target', 'test'], { cwd: work.root })).out).toContain(
      `left behind: ${(await keysIn(bucket))[1]}`,
    )
  })

  it('removes what a killed test left, once that is surely over, and nobody else’s', async () => {
    await using work = await withTargets({ shelf: { type: 'local', path: './shelf' } })
    const now = Date.now()
    const old = probeFolder((now - 60 * MINUTE) as never, 'abc123')
    const young = probeFolder((now - MINUTE) as never, 'abc124')
    const kept = { [`${young}small`]: 'y', '.holdfast/probe/mine.txt': 'm', 'a/large': 'f' }
    const files = { [`${old}small`]: 'o', [`${old}.large.t.part`]: 'p', ...kept }
    await work.write(
      Object.fromEntries(Object.entries(files).map(([key, text]) => [`shelf/${key}`, text])),
    )
    const { targets } = await test(work)
    expect(targets.shelf.leftovers).toEqual([])
    expect(targets.shelf.verdict).toBe('ok')
    expect(targets.shelf.steps[1].message).toBe('removed 2 probes of earlier tests')
    expect(await work.files('shelf')).toEqual(kept)
  })

  it('takes its probes back when it is interrupted in the middle of a write', async () => {
    const bucket = await makeBucket(ceph)
    await using proxy = await startProxy(ceph.port)
    const block = bucketBlock(bucket, { endpoint: proxy.endpoint, part_size: '5MiB' })
    await using work = await withTargets({ far: block })
    const person = new AbortController()
    const reason = Object.assign(new Error('interrupted'), { code: 'interrupted' })
    const watching = setInterval(() => {
      if (proxy.requests.some((one) => one.includes('partNumber'))) person.abort(reason)
    }, 1)
    const ran = await commandLine(['target', 'test', '--json'], {
      cwd: work.root,
      interrupted: person.signal,
    })
    clearInterval(watching)
    expect(person.signal.aborted).toBe(true)
    expect(ran.code).not.toBe(0)
    expect(ran.document()).toHaveProperty('error')
    expect(await keysIn(bucket)).toEqual([])
    const { Uploads } = await clientOf(ceph).send(
      new ListMultipartUploadsCommand({ Bucket: bucket }),
    )
    expect(Uploads ?? []).toEqual([])
  })

  it('clears up an upload in parts that a killed test had begun', async () => {
    const bucket = await makeBucket(ceph)
    await using proxy = await startProxy(ceph.port)
    const block = bucketBlock(bucket, { endpoint: proxy.endpoint, part_size: '5MiB' })
    await using work = await withTargets({ far: block })
    let isHeld = false
    proxy.holdRequest(/partNumber/, () => {
      proxy.stall()
      isHeld = true
    })
    const running = work.start(['target', 'test'])
    await running.until(() => isHeld)
    await running.end('SIGKILL')
    proxy.heal()
    const uploads = async () =>
      (await clientOf(ceph).send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []
    expect(await uploads()).toHaveLength(1)
    expect((await test(work)).targets.far.sweep.message).toBe('none of earlier tests')
    const later = await test(work, { now: () => Date.now() + 40 * MINUTE })
    expect(later.targets.far.sweep.message).toBe('removed 1 probe of earlier tests')
    expect(await uploads()).toEqual([])
    expect(await keysIn(bucket)).toEqual([])
  })

  it('warns of a clock that is a minute off, and fails a bucket’s beyond what it takes', async () => {
    await using work = await withTargets({
      far: bucketBlock(await makeBucket(ceph)),
      shelf: { type: 'local', path: './shelf' },
    })
    const off = (minutes: number) => test(work, { now: () => Date.now() + minutes * MINUTE })
    const near = await off(3)
    expect(near.code).toBe(0)
    expect(near.targets.far.clock).toMatchObject({
      verdict: 'warn',
      message: expect.stringMatching(/^its clock is (3m|3m[12]s|2m5\ds) behind ours$/),
    })
    const far = await off(-20)
    expect(far.code).toBe(1)
    expect(far.targets.far.clock).toMatchObject({ verdict: 'failed' })
    expect(far.targets.far.clock.message).toMatch(/ahead of ours$/)
    expect(far.targets.shelf.clock.verdict).toBe('warn')
  })

  it('shows what is expected and not so as a warning', async () => {
    const expected = { expect: { versioning: true } }
    await using work = await withTargets({ far: bucketBlock(await makeBucket(ceph), expected) })
    const { code, targets } = await test(work)
    expect(code).toBe(0)
    expect(targets.far.verdict).toBe('warn')
    expect(targets.far.steps.at(-1)).toMatchObject({
      step: 'posture',
      verdict: 'warn',
      message: expect.stringContaining('versioning is off, expected: on'),
    })
  })

  it('refuses a name that nobody declared', async () => {
    await using work = await withTargets({ shelf: { type: 'local', path: './shelf' } })
    const { code, document } = await commandLine(['target', 'test', 'shelv', '--json'], {
      cwd: work.root,
    })
    expect(code).toBe(1)
    expect(document().error).toMatchObject({
      code: 'reference_unknown',
      hint: 'did you mean shelf?',
    })
  })
})

describe('target list', () => {
  it('shows space, copies, the last success, foreign objects, unfinished ones and who is away', async () => {
    await using work = await makeWorkspace(
      JSON.stringify({
        data_dir: 'state',
        targets: {
          shelf: { type: 'local', path: './shelf' },
          far: bucketBlock('no-such-bucket', { expect: { versioning: true } }),
        },
        jobs: { files: { targets: ['shelf'], source: { type: 'directory', path: './live' } } },
      }),
    )
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    await work.write({
      'shelf/holiday.jpg': 'x',
      'shelf/system/files/live/.x.zst.token.part': 'unfinished',
    })
    const { code, out } = await commandLine(['target', 'list'], { cwd: work.root })
    expect(code).toBe(13)
    expect(out).toMatch(/^shelf +local +1 +\d+ B +\S+ ago +1 +1 +[\d.]+ [GT]iB +- +ok$/m)
    expect(out).toMatch(/^far +s3 +0 +0 B +- +\? +\? +- +unknown +away$/m)
    expect(out).toMatch(/^far: .*there is no such bucket/m)
    const table = out.split('\n').slice(0, 3)
    expect(Math.max(...table.map(({ length }) => length))).toBeLessThan(120)
    const { document } = await work.run(['target', 'list', '--json'])
    expect(document.targets).toMatchObject([
      { id: 'far', state: 'unreachable', foreign: null, unfinished: null, freeBytes: null },
      { id: 'shelf', copies: 1, foreign: 1, unfinished: 1, posture: null },
    ])
    expect(document.targets[1].lastSuccessAt).toMatch(/Z$/)
  })
})
