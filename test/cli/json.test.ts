import { describe, expect, it } from 'vitest'
import { commandLine } from '../support/command-line.ts'
import { filesConfig, makeWorkspace } from '../support/holdfast.ts'

/** What is run as a process, for the sake of its real stdout; the others are the same in this one. */
const asProcess: ReadonlySet<string> = new Set([
  'apply --yes',
  'backup create --name before-upgrade',
  'backup list',
  'plan',
  'restore files --to out',
  'nonsense',
  'restore files',
  'plan -c nowhere.yml',
])

/** Fields of a row, in the words of the design. */
const ROW = {
  id: expect.any(String),
  run: expect.any(String),
  name: 'before-upgrade',
  organization: null,
  app: null,
  job: 'files',
  source: 'live',
  target: 'shelf',
  status: 'success',
  slot: null,
  attempt: 1,
  sizeBytes: expect.any(Number),
  contentBytes: expect.any(Number),
  storagePath: expect.stringMatching(/^system\/files\/live\/.*Z\.tar\.zst$/),
  checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
  readback: 'size',
  startedAt: expect.stringMatching(/Z$/),
  finishedAt: expect.stringMatching(/Z$/),
  verifiedAt: null,
  verify: 'never',
  pinned: false,
  keptBecause: ['last-1', 'daily-1'],
  error: null,
}

describe('--json', () => {
  it('is exactly one document on stdout for every verb that succeeds', async () => {
    await using work = await makeWorkspace(
      filesConfig('retention: { keep_last: 1, keep_daily: 3 }'),
    )
    await work.write({ 'live/a': 'a', 'before.yml': filesConfig() })
    const document = async (words: string) => {
      const split = [...words.split(' '), '--json']
      const ran = asProcess.has(words) ? await work.run(split) : await work.ok(split)
      expect([words, ran.code, ran.stderr]).toEqual([words, 0, expect.not.stringMatching(/error/)])
      return ran.document
    }
    expect(await document('validate')).toMatchObject({ valid: true, jobs: 1, targets: 1 })
    expect(await document('apply --yes')).toEqual({
      applied: [
        { kind: 'target.create', subject: 'shelf' },
        { kind: 'job.create', subject: 'files' },
      ],
      unmet: [],
    })
    expect(await document('apply --yes')).toEqual({ applied: [], unmet: [] })
    expect(await document('backup create --name before-upgrade')).toEqual({ backups: [ROW] })
    expect(await document('backup list')).toEqual({ backups: [ROW] })
    expect(await document('backup show files')).toMatchObject({
      backups: [{ copies: [ROW], manifest: { version: 1, deployment: 'default' } }],
    })
    expect(await document('backup show files --contents')).toMatchObject({
      backups: [{ contents: [expect.stringContaining('./'), expect.stringContaining('./a')] }],
    })
    expect(await document('backup verify --name before-upgrade')).toMatchObject({
      verified: [{ job: 'files', target: 'shelf', ok: true, error: null }],
    })
    expect(await document('backup pin files')).toMatchObject({
      pinned: [{ job: 'files', target: 'shelf' }],
    })
    expect((await document('backup list')).backups).toMatchObject([
      { pinned: true, verify: 'ok', verifiedAt: expect.any(String) },
    ])
    expect(await document('backup unpin files')).toMatchObject({ unpinned: [{ job: 'files' }] })
    expect(await document('backup prune')).toMatchObject({ actions: [], summary: { deletes: 0 } })
    expect(await document('backup download files copy')).toMatchObject({
      path: work.at('copy'),
      manifest: work.at('copy.manifest.json'),
    })
    expect(await document('restore files --to out')).toMatchObject({
      restore: { to: work.at('out'), previous: null, warnings: [] },
    })
    expect(await document('state adopt')).toEqual({ adopted: [], unreachable: [], foreign: [] })
    expect(await document('plan')).toMatchObject({ actions: [], summary: { add: 0 } })
    expect(await document('plan --offline --against before.yml')).toMatchObject({
      actions: [{ kind: 'job.update', subject: 'files' }],
    })
    expect(await document('job list')).toMatchObject({ jobs: [{ id: 'files' }] })
    expect(await document('target list')).toMatchObject({ targets: [{ id: 'shelf', copies: 1 }] })
    expect(await document('target test')).toMatchObject({
      targets: [{ id: 'shelf', verdict: 'ok', leftovers: [] }],
    })
    expect(await document('status')).toMatchObject({ jobs: [{}], targets: [{}] })
    expect(await document('config show')).toMatchObject({ deployment: 'default' })
    expect(await document('config schema')).toHaveProperty('$schema')
    expect(await document('config init new.yml')).toMatchObject({ path: work.at('new.yml') })
    expect(await document('completion bash')).toMatchObject({ shell: 'bash' })
  })

  it('is exactly one document for every failure too, with code, message, hint and place', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a', copy: 'mine' })
    await work.ok(['backup', 'create'])
    const cases = {
      nonsense: 'usage',
      '': 'usage',
      backup: 'usage',
      'backup lst': 'usage',
      'backup show': 'usage',
      'backup list --unknown': 'usage',
      apply: 'refused',
      restore: 'refused',
      'restore files': 'refused',
      'restore nothing': 'reference_unknown',
      'restore files@nothing': 'reference_unknown',
      'backup verify': 'refused',
      'backup verify --name nothing': 'refused',
      'backup create files@latest2': 'refused',
      'backup download files copy': 'refused',
      'backup download files no/folder': 'refused',
      'backup prune --older-than soon': 'refused',
      'plan --against other.yml': 'refused',
      'config init holdfast.yml': 'refused',
      'completion tcsh': 'refused',
      'plan -c nowhere.yml': 'config_invalid',
    }
    const ran = await Promise.all(
      Object.keys(cases).map(async (words) => {
        const split = [...words.split(' ').filter(Boolean), '--json']
        if (asProcess.has(words)) return await work.run(split)
        const { code, document } = await commandLine(split, { cwd: work.root })
        return { code, document: document() }
      }),
    )
    const found = ran.map(({ document: { error } }) => error.code)
    expect(
      Object.fromEntries(Object.keys(cases).map((words, index) => [words, found[index]])),
    ).toEqual(cases)
    for (const { code, document } of ran) {
      expect(code).toBe(document.error.code === 'config_invalid' ? 10 : 1)
      expect(Object.keys(document)).toEqual(['error'])
      expect(document.error).toMatchObject({
        message: expect.stringMatching(/./),
        at: expect.toSatisfy(isTextOrNull),
      })
      expect([document.error.message, document.error.hint]).toEqual([
        document.error.message,
        expect.any(String),
      ])
    }
    expect(await work.read('copy')).toBe('mine')
  })
})

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string'
}
