import { execFile } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openReceiver, type Receiver } from '../notify/receiver.ts'
import { type Daemon, type Line, poll, slotIn, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'

const run = promisify(execFile)

/** From the end of a write to the line in the log, in milliseconds, of every edit that these tests make. */
const latencies: [string, number][] = []

let space: Workspace
let receiver: Receiver
let plain: Daemon
let mapped: Daemon
let bound: Daemon

beforeAll(async () => {
  space = await makeWorkspace()
  receiver = await openReceiver()
  await space.write({
    'data/file': 'content',
    'plain/holdfast.yml': config('plain'),
    'plain/key': 'first-key',
    'map/..one/holdfast.yml': config('map'),
    'host/holdfast.yml': config('bound'),
    'bound/holdfast.yml': '',
  })
  await symlink('..one', space.at('map', '..data'))
  await symlink('..data/holdfast.yml', space.at('map', 'holdfast.yml'))
  await run('mount', ['--bind', space.at('host/holdfast.yml'), space.at('bound/holdfast.yml')])
  plain = startDaemon(space, { config: 'plain/holdfast.yml' })
  mapped = startDaemon(space, { config: 'map/holdfast.yml' })
  bound = startDaemon(space, { config: 'bound/holdfast.yml' })
  for (const daemon of [plain, mapped, bound]) await daemon.until('daemon.started')
})

afterAll(async () => {
  for (const daemon of [plain, mapped, bound]) await daemon?.[Symbol.asyncDispose]()
  await run('umount', ['--lazy', space.at('bound/holdfast.yml')])
  await receiver[Symbol.asyncDispose]()
  await space[Symbol.asyncDispose]()
})

/** A config with its own state and target, and `jobs` beside the one that never has a slot. */
function config(name: string, jobs: object = {}, more: object = {}): string {
  const whole = {
    data_dir: space.at('state', name),
    targets: { here: { type: 'local', path: space.at(`target-${name}`) } },
    jobs: { rare: job({ schedule: '0 0 1 1 *' }), ...jobs },
    ...more,
  }
  return JSON.stringify(whole, null, 2)
}

function job(more: object = {}): object {
  return { source: { type: 'directory', path: space.at('data') }, ...more }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Edits, and resolves with the line that says that exactly this text is what runs now. */
async function reloaded(
  daemon: Daemon,
  how: string,
  text: string,
  edit: () => Promise<unknown>,
): Promise<Line> {
  const from = daemon.lines.length
  await edit()
  const written = performance.now()
  const fits = (line: Line) => line.sha256 === sha256(text)
  const line = await daemon.until('config.reloaded', { from, fits })
  latencies.push([how, Math.max(0, line.at - written)])
  return line
}

async function rejected(daemon: Daemon, text: string): Promise<Line> {
  const from = daemon.lines.length
  await replaced(text)
  return await daemon.until('config.rejected', { from })
}

/** At once, as no write in place is. */
async function replaced(text: string): Promise<void> {
  await space.write({ 'plain/.new': text })
  await rename(space.at('plain/.new'), space.at('plain/holdfast.yml'))
}

describe('an edit changes the running daemon', () => {
  it('when a file is renamed over it', async () => {
    for (const name of ['a', 'b']) {
      const text = config('plain', { [name]: job() })
      await reloaded(plain, 'rename', text, () => replaced(text))
    }
  })

  it('when it is written in place', async () => {
    for (const name of ['c', 'd']) {
      const text = config('plain', { [name]: job() })
      await reloaded(plain, 'in place', text, () => space.write({ 'plain/holdfast.yml': text }))
    }
  })

  it('when the folder behind it is swapped by a symbolic link, the old one deleted', async () => {
    await swapMap('..one', '..two', config('map', { two: job() }), 'deleted')
  })

  it('when the folder behind it is swapped and the old one stays', async () => {
    await swapMap('..two', '..three', config('map', { three: job() }), 'kept')
    await swapMap('..three', '..four', config('map', { four: job() }), 'kept')
  })

  it('when it is one bind-mounted file that is written in place', async () => {
    for (const name of ['e', 'f']) {
      const text = config('bound', { [name]: job() })
      await reloaded(bound, 'bind mount', text, () => space.write({ 'host/holdfast.yml': text }))
    }
  })

  it('when a secret file changes, and the new secret counts', async () => {
    const ops = {
      type: 'webhook',
      url: receiver.origin,
      secret_file: space.at('plain/key'),
      on: ['success'],
    }
    const text = config('plain', {}, { notify: { ops } })
    await reloaded(plain, 'in place', text, () => space.write({ 'plain/holdfast.yml': text }))
    await reloaded(plain, 'secret', text, () => space.write({ 'plain/key': 'second-key' }))

    const told = job({ first_run: 'now', notify: ['ops'] })
    await space.write({ 'plain/holdfast.yml': config('plain', { told }, { notify: { ops } }) })
    await poll(() => receiver.received.length > 0, 'the webhook')
    const { body = '', headers } = receiver.received[0] ?? {}
    const hex = createHmac('sha256', 'second-key').update(body).digest('hex')
    expect(headers?.['x-signature-256']).toBe(`sha256=${hex}`)
  })

  it('when a secrets file comes to lie beside it', async () => {
    const text = config('plain', { g: job() })
    await reloaded(plain, 'in place', text, () => space.write({ 'plain/holdfast.yml': text }))
    const from = plain.lines.length
    const secrets = JSON.stringify({ limits: { concurrency: 1 } })
    await space.write({ 'plain/vardo.secrets.yml': secrets })
    await plain.until('config.reloaded', { from })
    const gone = plain.lines.length
    await rm(space.at('plain/vardo.secrets.yml'))
    await plain.until('config.reloaded', { from: gone })
  })

  it('at SIGHUP, which ends nothing', async () => {
    const text = config('plain', { h: job() })
    await reloaded(plain, 'SIGHUP', text, async () => {
      await space.write({ 'plain/holdfast.yml': text })
      plain.signal('SIGHUP')
    })
  })

  it('within 2 s of the last write', () => {
    const sorted = latencies.map(([, millis]) => millis).sort((a, b) => a - b)
    for (const [how, millis] of latencies) console.log(`reload: ${how} ${millis.toFixed(0)} ms`)
    expect(sorted.length).toBeGreaterThan(10)
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(2000)
    // A machine that is busy with other tests is no reason to fail.
    expect(sorted.at(-1)).toBeLessThan(6000)
  })
})

async function swapMap(from: string, to: string, text: string, old: 'kept' | 'deleted') {
  await mkdir(space.at('map', to))
  await writeFile(space.at('map', to, 'holdfast.yml'), text)
  await reloaded(mapped, `symlink, old folder ${old}`, text, async () => {
    await symlink(to, space.at('map/..data_tmp'))
    await rename(space.at('map/..data_tmp'), space.at('map/..data'))
    if (old === 'deleted') await rm(space.at('map', from), { recursive: true })
  })
}

describe('an edit that is no good', () => {
  const good = () => config('plain', { old: job() })
  /** As the daemon names it, from where it was started. */
  const file = 'plain/holdfast.yml'

  const mended = async () => {
    const from = plain.lines.length
    await replaced(good())
    return await plain.until('config.reloaded', { from })
  }

  it('is rejected once, by file, line and column, and mending it is told', async () => {
    await mended()
    const half = good().slice(0, good().indexOf('"old"') + 20)
    const cut = await rejected(plain, half)
    expect(cut.message).toContain('the last good one keeps running')
    expect(cut.error.code).toBe('config_invalid')
    expect(cut.error.at).toMatch(new RegExp(`^${file}:\\d+:\\d+$`))
    expect(await mended()).toMatchObject({ message: 'the config is again the one that runs' })

    const misspelled = good().replace('"rare"', '"rare!"').replace('"schedule"', '"shedule"')
    const wrong = await rejected(plain, misspelled)
    const line = misspelled.split('\n').findIndex((one) => one.includes('"shedule"')) + 1
    const faults = wrong.faults as readonly { at: string; hint: string | null }[]
    const [fault] = faults.filter(({ at }) => at.startsWith(`${file}:${line}:`))
    expect(fault?.hint).toContain('schedule')
    expect(faults.length).toBeGreaterThan(1)
    await mended()
  })

  it('is rejected when the file is empty, and when it is gone', async () => {
    const empty = await rejected(plain, '')
    expect(empty.error.at).toContain(file)
    const from = plain.lines.length
    await rm(space.at(file))
    const gone = await plain.until('config.rejected', { from })
    expect(gone.error.message).toContain(file)
    await mended()
  })

  it('is rejected when it asks for what this version does not build', async () => {
    const text = good().replace(
      '"targets": {',
      '"api_tokens": { "ci": { "token": "t" } }, "targets": {',
    )
    expect((await rejected(plain, text)).error.message).toContain('not available in this version')
    await mended()
  })

  it('is rejected when it moves data_dir', async () => {
    const moved = await rejected(plain, good().replace('/state/plain', '/state/elsewhere'))
    expect(moved.error).toMatchObject({
      message: expect.stringContaining('data_dir cannot change while the daemon runs'),
      hint: 'restart the daemon',
    })
    await mended()
  })

  it.each([
    ['state', { state: 'postgres://nobody@127.0.0.1:1/holdfast' }],
    ['instance', { instance: { id: 'another' } }],
  ])('is rejected when it moves %s, with the jobs that it has beside', async (key, change) => {
    const from = plain.lines.length
    const eager = job({ first_run: 'now' })
    const moved = await rejected(plain, config('plain', { [`eager-${key}`]: eager }, change))
    expect(moved.error.message).toContain(`${key} cannot change while the daemon runs`)
    await mended()
    expect(plain.events(from)).not.toContain('backup.started')
  })

  it('is taken once the secret file that it names has come', async () => {
    const ops = { type: 'webhook', url_file: space.at('elsewhere/url') }
    const text = config('plain', {}, { notify: { ops } })
    const line = await rejected(plain, text)
    expect(line.error.message).toContain('elsewhere/url')
    await reloaded(plain, 'late secret', text, () => space.write({ 'elsewhere/url': 'http://x/' }))
    latencies.pop()
  })

  it('leaves the slots of the old config running', async () => {
    const from = plain.lines.length
    await replaced(config('plain', { old: job({ schedule: slotIn(20) }) }))
    await plain.until('config.reloaded', { from })
    await rejected(plain, 'jobs: [')
    const done = await plain.until('backup.done', { from, fits: (line) => line.job === 'old' })
    expect(plain.events(from).indexOf('config.rejected')).toBeLessThan(
      plain.events(from).indexOf('backup.started'),
    )
    expect(done.level).toBe('info')
    expect(plain.events(from).filter((event) => event === 'config.rejected')).toHaveLength(1)
  })
})

describe('a job that the file', () => {
  it('names anew and wants at once runs at once; one that it no longer names runs no more', async () => {
    const from = plain.lines.length
    const eager = job({ first_run: 'now' })
    await space.write({ 'plain/holdfast.yml': config('plain', { eager }) })
    await plain.until('backup.done', { from, fits: (line) => line.job === 'eager' })
    // The slot of the job that is gone would have come within this minute; its plan no longer has it.
    const status = await space.ok(['plan', '--json', '--config', 'plain/holdfast.yml'])
    const { actions } = status.document
    expect(actions.filter(({ subject }: { subject: string }) => subject === 'old')).toEqual([])
  })
})
