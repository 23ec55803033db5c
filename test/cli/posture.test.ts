import {
  GetBucketVersioningCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { commandLine } from '../support/command-line.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'

let ceph: Ceph

beforeAll(async () => {
  ceph = await startCeph()
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
})

/** A bucket target of which the file expects what `more` says. */
async function expecting(bucket: string, more: object): Promise<Workspace> {
  const far = {
    type: 's3',
    bucket,
    endpoint: ceph.endpoint,
    access_key_id: ceph.accessKey,
    secret_access_key: ceph.secretKey,
    ...more,
  }
  return await makeWorkspace(JSON.stringify({ data_dir: 'state', targets: { far }, jobs: {} }))
}

async function versioningOf(bucket: string) {
  const { Status } = await clientOf(ceph).send(new GetBucketVersioningCommand({ Bucket: bucket }))
  return Status
}

/** What a process would say, in this one: three times as quick. */
async function run(work: Workspace, words: readonly string[]) {
  const { code, out: stdout, err: stderr } = await commandLine(words, { cwd: work.root })
  return { code, stdout, stderr }
}

const VERSIONED = { expect: { versioning: true } }
const DRIFT = { kind: 'posture', subject: 'far' }

describe('what a bucket is expected to be set to', () => {
  it('is drift in plan and status where it is not, and nobody sets it without manage', async () => {
    const bucket = await makeBucket(ceph)
    await using work = await expecting(bucket, VERSIONED)
    expect((await work.ok(['apply', '--yes'])).stdout).toContain(
      'done, but for what is left to be set by hand: versioning of target far',
    )
    const plan = await work.run(['plan', '--exit-code'])
    expect(plan.code).toBe(2)
    expect(plan.stdout).toContain('versioning is off, and the file expects: on')
    expect(plan.stdout).toContain('manage: true')
    const { document } = await work.ok(['plan', '--json'])
    expect(document).toMatchObject({
      actions: [
        {
          ...DRIFT,
          settable: false,
          because: { rule: 'expected', setting: 'versioning', expected: 'on', found: 'off' },
        },
      ],
      summary: { unmet: 1, settings: 0 },
    })
    const status = await work.ok(['status'])
    expect(status.stdout).toContain('drift: versioning of far is off, expected: on')
    const stands = (await work.ok(['status', '--json'])).document
    expect(stands.targets[0].posture).toMatchObject({
      state: 'unmet',
      unmet: [{ setting: 'versioning', found: 'off', settable: false }],
    })
    const applied = await work.ok(['apply'])
    expect(applied.stdout).toContain('nothing to do, but for what is left to be set by hand')
    expect(applied.stdout).not.toContain('as the file says')
    expect(await versioningOf(bucket)).toBeUndefined()
  })

  it('is set by apply after a yes where manage allows it, and then there is no drift', async () => {
    const bucket = await makeBucket(ceph)
    await using work = await expecting(bucket, { ...VERSIONED, manage: true })
    expect((await run(work, ['plan', '--exit-code'])).code).toBe(2)
    const asked = await run(work, ['apply'])
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('add --yes')])
    expect(await versioningOf(bucket)).toBeUndefined()
    const said = await work.ok(['apply', '--yes'])
    expect(said.stderr).toContain('set versioning of target far to: on')
    expect(said.stdout).toContain('done: the world is as the file says')
    expect(await versioningOf(bucket)).toBe('Enabled')
    expect(await run(work, ['plan', '--exit-code'])).toMatchObject({ code: 0 })
    const { document } = await work.ok(['target', 'list', '--json'])
    expect(document.targets[0].posture).toMatchObject({ state: 'met', unmet: [], unknown: [] })

    await clientOf(ceph).send(
      new PutBucketVersioningCommand({
        Bucket: bucket,
        VersioningConfiguration: { Status: 'Suspended' },
      }),
    )
    expect((await run(work, ['plan', '--exit-code'])).code).toBe(2)
    expect((await work.ok(['apply', '--yes', '--json'])).document).toEqual({
      applied: [{ kind: 'posture', subject: 'far', setting: 'versioning' }],
      unmet: [],
    })
  })

  it('stays drift where it cannot be set any more, and apply says what to do', async () => {
    await using work = await expecting(await makeBucket(ceph), {
      expect: { object_lock: { mode: 'governance', days: 1 } },
      manage: true,
    })
    await work.ok(['apply', '--yes'])
    const left = await work.ok(['apply'])
    expect(left.stdout).toContain('make another bucket with object lock')
    expect(left.stdout).toContain('nothing to do, but for what is left')
    expect((await work.ok(['apply', '--json'])).document).toMatchObject({
      applied: [],
      unmet: [{ target: 'far', setting: 'object_lock', found: 'off', settable: false }],
    })
    expect((await run(work, ['plan', '--exit-code'])).code).toBe(2)
  })

  it('is a warning and no drift where the key may not ask', async () => {
    const bucket = await makeBucket(ceph)
    const deny = { Effect: 'Deny', Principal: '*', Action: ['s3:GetBucketVersioning'] }
    const Statement = [{ ...deny, Resource: [`arn:aws:s3:::${bucket}`] }]
    await clientOf(ceph).send(
      new PutBucketPolicyCommand({
        Bucket: bucket,
        Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
      }),
    )
    await using work = await expecting(bucket, { ...VERSIONED, manage: true })
    const applied = await work.ok(['apply', '--yes'])
    expect(applied.stdout).toContain('done, but nobody could tell how far is set up')
    const plan = await run(work, ['plan', '--exit-code'])
    expect(plan.code).toBe(0)
    expect(plan.stdout).toMatch(/warning posture-unknown far: .*access is denied/)
    expect(plan.stdout).toContain(`let the key do it: s3:GetBucketVersioning on ${bucket}`)
    expect((await work.ok(['target', 'list', '--json'])).document.targets[0].posture.state).toBe(
      'unknown',
    )
  })

  it('that the key may not set is told with what it takes, and the rest is set all the same', async () => {
    const bucket = await makeBucket(ceph)
    const deny = { Effect: 'Deny', Principal: '*', Action: ['s3:PutBucketVersioning'] }
    const Statement = [{ ...deny, Resource: [`arn:aws:s3:::${bucket}`] }]
    await clientOf(ceph).send(
      new PutBucketPolicyCommand({
        Bucket: bucket,
        Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
      }),
    )
    const wanted = { versioning: true, abort_multipart_days: 3 }
    await using work = await expecting(bucket, { expect: wanted, manage: true })
    const applied = await run(work, ['apply', '--yes'])
    expect(applied.code).toBe(13)
    expect(applied.stderr).toMatch(/error: versioning of target far is not set: .*denied/)
    expect(applied.stderr).toContain(`hint: let the key do it: s3:PutBucketVersioning on ${bucket}`)
    expect(applied.stderr).toContain('set abort multipart of target far to: after 3 days')
    expect(applied.stdout).not.toContain('as the file says')
    const { document } = await work.ok(['status', '--json'])
    expect(document.targets[0].posture.unmet).toMatchObject([{ setting: 'versioning' }])
  })

  it('is not looked at by those who look at one job, nor from the file alone', async () => {
    await using work = await expecting(await makeBucket(ceph), VERSIONED)
    const { document } = await work.ok(['plan', '--offline', '--json'])
    expect(document.actions.map(({ kind }: { kind: string }) => kind)).toEqual(['target.create'])
  })

  it('costs nothing but a word where the target is away', async () => {
    await using work = await expecting(await makeBucket(ceph), {
      ...VERSIONED,
      endpoint: 'http://127.0.0.1:9',
    })
    const { code, out } = await commandLine(['plan'], { cwd: work.root })
    expect(code).toBe(0)
    expect(out).toContain('warning target-unreachable far')
    expect(out).not.toContain('posture-unknown')
    expect(out).not.toContain('drift')
  })
})
