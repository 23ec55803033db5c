import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'

/** A job `slow` whose program writes its process id to `running`, some output, and waits. */
const SLOW = `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  slow:
    compression: none
    sources: [{ type: command, name: wait, backup: [sh, -c, "head -c 3000000 /dev/zero; echo $$ > running; exec sleep 300"] }]
  files: { sources: [{ type: directory, path: ./live }] }
`

/** Starts the backup of `slow`; resolves with it once its program runs and has written. */
async function startSlow(work: Workspace) {
  const running = work.start(['backup', 'create', '--json'])
  await running.until(() => existsSync(work.at('running')))
  const pid = Number(await readFile(work.at('running'), 'utf8'))
  return { running, pid }
}

/** Whether the process runs; one that ended and that nobody has asked about does not. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  return stat !== null && !/\) Z /.test(stat)
}

describe('a backup that is interrupted', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'by %s ends with %d, its program with it, and leaves no part behind',
    async (signal, code) => {
      await using work = await makeWorkspace(SLOW)
      await work.write({ 'live/a': 'a' })
      const { running, pid } = await startSlow(work)
      expect(Object.keys(await work.files('shelf')).some((name) => name.endsWith('.part'))).toBe(
        true,
      )
      const ran = await running.end(signal)
      expect(ran.code).toBe(code)
      expect(ran.document.backups).toMatchObject([
        { job: 'slow', status: 'failed', error: `interrupted by ${signal}` },
      ])
      expect(await isRunning(pid)).toBe(false)
      expect(await work.files('shelf')).toEqual({})
      expect(await work.files('state', 'scratch')).toEqual({})
      const { document } = await work.ok(['backup', 'list', '--all', '--json'])
      expect(document.backups).toHaveLength(1)
      await work.ok(['backup', 'create', 'files'])
      expect((await work.run(['status', '--json'])).document).toBeTruthy()
    },
  )
})

describe('each way to end has its code', () => {
  it('11: another process is at the job, and is named', async () => {
    await using work = await makeWorkspace(SLOW)
    await work.write({ 'live/a': 'a' })
    const { running } = await startSlow(work)
    // A command waits for a while, so that two of them in a script do not fail each other.
    const busy = await work.run(['backup', 'create', 'slow', '--json'])
    expect(busy.code).toBe(11)
    expect(busy.document.error).toMatchObject({
      code: 'lease_busy',
      message: expect.stringMatching(new RegExp(`^job slow is held by .*${running.pid}`)),
      hint: expect.stringContaining('holdfast status'),
    })
    expect((await work.ok(['status'])).stdout).toMatch(/slow/)
    await running.end('SIGINT')
  })

  it('0, 1, 2, 3, 10, 12, 13 and 14, in one life of a job', async () => {
    const [ours, theirs] = [await generateIdentity(), await generateIdentity()]
    const recipient = await identityToRecipient(ours)
    const encryption = `encryption: { recipients: [${recipient}], identity_file: ./key }`
    const targets =
      '{ shelf: { type: local, path: ./shelf }, spare: { type: local, path: ./spare } }'
    const config = filesConfig('targets: [shelf, spare]\nrequire: 1', encryption).replace(
      /^targets: .*$/m,
      `targets: ${targets}`,
    )
    await using work = await makeWorkspace(config)
    await work.write({ 'live/a': 'a', key: `${ours}\n`, 'their-key': `${theirs}\n` })
    const codeOf = async (words: string, env = {}) =>
      (await work.run(words.split(' '), { env })).code

    expect(await codeOf('plan --exit-code')).toBe(2)
    expect(await codeOf('plan')).toBe(0)
    expect(await codeOf('apply --yes')).toBe(0)
    expect(await codeOf('plan --exit-code')).toBe(0)
    expect(await codeOf('backup create nothing')).toBe(1)
    await work.write({ spare: 'a file' })
    expect(await codeOf('backup create')).toBe(3)
    await rm(work.at('spare'))
    expect(await codeOf('backup create')).toBe(0)

    await work.write({ 'holdfast.yml': config.replace('./key', './their-key') })
    const live = await work.files('live')
    for (const words of [
      'restore files --yes',
      'restore files --to out',
      'backup show files --contents',
    ]) {
      const ran = await work.run([...words.split(' '), '--json'])
      expect([words, ran.code, ran.document.error.code]).toEqual([words, 12, 'cannot_decrypt'])
      expect(ran.document.error.message).toMatch(/the configured identity does not open it/)
      expect(ran.document.error.hint).toContain('encryption.identity_file')
    }
    expect(await codeOf('backup verify --all')).toBe(12)
    expect(await work.files('live')).toEqual(live)
    expect(Object.keys(await work.files()).filter((name) => /holdfast-|^out/.test(name))).toEqual(
      [],
    )
    const marks = (await work.ok(['backup', 'list', '--json'])).document.backups
    expect(marks.every(({ verify }: { verify: string }) => verify === 'never')).toBe(true)

    await work.write({ 'holdfast.yml': config.replace('./key', './no-key') })
    expect(await codeOf('restore files --yes')).toBe(12)
    await work.write({ 'holdfast.yml': config.replace(', identity_file: ./key', '') })
    expect(await codeOf('restore files --yes')).toBe(12)
    // What was written can still be held against its hash.
    expect(await codeOf('backup verify --all')).toBe(0)

    await work.write({ 'holdfast.yml': config })
    expect(await codeOf('restore files --yes')).toBe(0)
    // The copy that the spare missed is drift until it is made.
    expect(await codeOf('plan --exit-code')).toBe(2)
    expect(await codeOf('apply --yes')).toBe(0)
    expect(await codeOf('plan --exit-code')).toBe(0)
    const key = (await work.archives('shelf')).at(-1) ?? ''
    const archive = await readFile(work.at('shelf', key))
    archive[archive.length - 1] = (archive.at(-1) ?? 0) ^ 1
    await work.write({ [`shelf/${key}`]: archive })
    expect(await codeOf('backup verify --all')).toBe(14)

    await rm(work.at('shelf'), { recursive: true })
    await rm(work.at('spare'), { recursive: true })
    await work.write({ shelf: 'a file', spare: 'a file' })
    expect(await codeOf('backup create')).toBe(13)
    expect(await codeOf('target list')).toBe(13)
    await work.write({ 'holdfast.yml': `${config}\nnonsense: 1\n` })
    expect(await codeOf('backup create')).toBe(10)
    await work.write({ 'holdfast.yml': config })
    // A drain is a clean end; work that was cut short is not.
    const daemon = work.start(['daemon'])
    await daemon.event('daemon.started')
    expect((await daemon.end('SIGTERM')).code).toBe(0)
  })
})
