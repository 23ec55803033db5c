// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the config's own syntax
import { describe, expect, it } from 'vitest'
import { faultsIn, line, loadText, SOURCE } from './support.ts'

const DAY = 86_400_000

describe("Vardo's backup block", () => {
  it('is the system target "System default", which jobs without targets take', async () => {
    const text = `backup: { type: local, path: /b }\njobs:\n  a: { source: ${SOURCE} }`
    const { targets, jobs } = await loadText(text)
    expect(targets[0]).toMatchObject({
      id: 'system-default',
      name: 'System default',
      organization: null,
      isDefault: true,
      kind: 'local',
    })
    expect(jobs[0]?.targets[0]?.target).toBe('system-default')
  })

  it('is found by its name and by its id, and yields to a default that is declared', async () => {
    const text = [
      'backup: { type: local, path: /b }',
      'targets: { nas: { type: local, path: /n, default: true } }',
      'jobs:',
      `  a: { source: ${SOURCE} }`,
      `  b: { source: ${SOURCE}, targetId: System default }`,
      `  c: { source: ${SOURCE}, targets: [system-default] }`,
    ].join('\n')
    const { jobs } = await loadText(text)
    const chosen = jobs.map(({ targets }) => targets.map(({ target }) => target))
    expect(chosen).toEqual([['nas'], ['system-default'], ['system-default']])
  })
})

describe("Vardo's words", () => {
  it('are understood in a job, and make archives that Vardo reads', async () => {
    const text = [
      'encryption: { recipients: [age1qqq] }',
      'targets: { t: { type: local, path: /b, isDefault: true } }',
      'notify:',
      '  ops: { type: webhook, url: "https://h/x", on: [failure, recovery] }',
      '  watch: { type: ping, url: "https://h/y" }',
      'jobs:',
      '  a:',
      '    name: "Auto: shop"',
      '    schedule: manual',
      '    enabled: false',
      '    targetId: t',
      '    format: vardo',
      `    source: ${SOURCE}`,
      '    keepLast: 1',
      '    keepDaily: 7',
      '    keepWeekly: null',
      '    notifyOnSuccess: true',
      '    notifyOnFailure: false',
      '    notify: [ops, watch]',
    ].join('\n')
    const [job] = (await loadText(text)).jobs
    expect(job).toMatchObject({
      title: 'Auto: shop',
      schedule: null,
      enabled: false,
      compression: { kind: 'gzip', level: 6 },
      encryption: null,
      notify: [
        { channel: 'ops', on: ['recovery', 'success'] },
        { channel: 'watch', on: ['failure', 'success'] },
      ],
    })
    expect(job?.targets[0]?.retention).toMatchObject({
      keepAll: false,
      keepLast: 1,
      keepDaily: 7,
      keepWeekly: null,
    })
  })

  it('that are none of ours are left alone, variables and all', async () => {
    const sections = ['instance', 'auth', 'email', 'github', 'ssl', 'features', 'project']
    const text = sections.map((name) => `${name}: { any: [thing, "$\{UNSET}"] }`).join('\n')
    const desired = await loadText(text)
    expect(desired.targets).toEqual([])
    expect(desired.unavailable).toEqual([])
  })

  it('of `keepAll` keep everything beside other rules', async () => {
    const text = `targets: { t: { type: local, path: /b } }\njobs: { a: { source: ${SOURCE}, keepAll: true, keepLast: 1 } }`
    expect((await loadText(text)).jobs[0]?.targets[0]?.retention.keepAll).toBe(true)
  })
})

describe("Wardengate's documents", () => {
  const target = (name: string) =>
    [
      'apiVersion: wardengate/v1',
      'kind: BackupTarget',
      'metadata:',
      `  name: ${name}`,
      'spec:',
      '  type: s3',
      '  bucket: wg-backups',
      '  region: us-east-1',
      '  prefix: production/',
      '  serverSideEncryption:',
      '    kmsKeyId: arn:aws:kms:us-east-1:1:key/a',
      '  retention:',
      '    dailyDays: 30',
      '    monthlyMonths: 12',
    ].join('\n')

  it('of kind BackupTarget become targets, beside a document of ours', async () => {
    const ours = `jobs:\n  a: { source: ${SOURCE}, target: second }`
    const text = [target('primary'), ours, target('second')].join('\n---\n')
    const { targets, jobs } = await loadText(text)
    expect(targets.map(({ id }) => id)).toEqual(['primary', 'second'])
    expect(targets[0]?.options).toMatchObject({
      prefix: 'production/',
      server_side_encryption: { kms_key_id: 'arn:aws:kms:us-east-1:1:key/a' },
    })
    expect(jobs[0]?.targets[0]?.retention).toMatchObject({
      keepAll: false,
      keepWithinDaily: 30 * DAY,
      keepWithinMonthly: 360 * DAY,
    })
  })

  it('are a whole config by themselves, one or several', async () => {
    const { targets, jobs, notices } = await loadText(`${target('a')}\n---\n${target('b')}`)
    expect(targets.map(({ id, kind }) => `${id} ${kind}`)).toEqual(['a s3', 'b s3'])
    expect(targets[0]?.options.access_key_id).toBeUndefined()
    expect(jobs).toEqual([])
    expect(notices).toContain('no job is declared: nothing is backed up')
    const twice = await faultsIn(`${target('a')}\n---\n${target('a')}`)
    expect(twice.map(line)).toEqual([
      'holdfast.yml:19:9 targets.a: declared twice, first in line 4',
    ])
  })

  it('have faults at their own places', async () => {
    const text = `${target('primary').replace('bucket', 'bukket')}\n---\nkind: BackupTraget\n`
    const faults = await faultsIn(text)
    expect(faults.map(({ at, path }) => `${at} ${path}`)).toEqual([
      'holdfast.yml:4:9 targets.primary',
      'holdfast.yml:7:3 targets.primary.bukket',
      'holdfast.yml:16:7 kind',
    ])
  })
})

describe('several documents of ours', () => {
  it('add up, and set nothing twice', async () => {
    const one = `data_dir: /x\njobs:\n  a: { source: ${SOURCE} }`
    const two = `jobs:\n  b: { source: { type: sqlite, path: /y.db } }`
    expect((await loadText(`${one}\n---\n${two}`)).jobs.map(({ id }) => id)).toEqual(['a', 'b'])
    const faults = await faultsIn(`${one}\n---\n${one}`)
    expect(faults.map(line)).toEqual([
      'holdfast.yml:5:1 data_dir: declared in two documents, first in line 1',
      'holdfast.yml:7:3 jobs.a: declared twice, first in line 3',
    ])
  })
})
