import { mkdir, readdir, readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Instant } from '../../src/core/model.ts'
import { homeOf } from '../../src/daemon/home.ts'
import { openReceiver, type Receiver } from '../notify/receiver.ts'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type Daemon, poll, slotIn, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Ran, type Workspace } from '../support/holdfast.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { run } from '../support/processes.ts'

/*
 * Hosts are data_dirs here: all of them share the file, the database and, for want of other
 * machines, the disk.
 */

let server: PostgresServer
let receiver: Receiver
let work: Workspace
let state: string

beforeAll(async () => {
  server = await startPostgres(HASTY)
})

afterAll(() => server[Symbol.asyncDispose]())

beforeEach(async () => {
  receiver = await openReceiver()
  state = await server.database()
  work = await makeWorkspace(config('0 0 1 1 *'))
  await work.write({ 'live/a': 'old' })
  await work.ok(['backup', 'create', 'files'], { env: host('lost') })
  await work.write({ 'live/a': 'changed' })
})

afterEach(async () => {
  await work[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

function config(schedule: string): string {
  const [targets, notify] = [['shelf'], ['ops']]
  const sources = [{ type: 'directory', path: 'live' }]
  const proof = [{ type: 'command', name: 'proof', backup: ['date'] }]
  return JSON.stringify({
    data_dir: `\${DATA}`,
    targets: { shelf: { type: 'local', path: 'shelf' } },
    notify: { ops: { type: 'webhook', url: receiver.origin, on: ['failure'] } },
    jobs: {
      files: { schedule, sources, targets, notify },
      // Its backups tell that the slot has come for both.
      proof: { schedule, sources: proof, targets },
    },
  })
}

function host(folder: string, name = folder): Record<string, string> {
  return { DATA: work.at(folder), HOLDFAST_INSTANCE: name, HOLDFAST_STATE: state }
}

const BEFORE_SWAP = { match: 'holdfast-previous', when: 'before' } as const
const BETWEEN = { match: 'holdfast-previous', when: 'after' } as const
const WHOLE = { match: ' -> [^ ]*/live$', when: 'after' } as const

/** A restore on the host `lost` that is killed there; its id. */
async function cutShort(at: Pick<KillOrder, 'match' | 'when'>): Promise<string> {
  await killed(at, host('lost'))
  const [id = ''] = await ask(`select id from restores where status = 'running'`)
  return id
}

async function killed(
  at: Pick<KillOrder, 'match' | 'when'>,
  env: Record<string, string>,
): Promise<void> {
  const how = { phase: 'cut', on: 'rename', nth: 1, victim: 'self', delay: 0 } as const
  const killAt: KillOrder = { ...how, ...at, log: work.at('order.log') }
  const ended = await run(['restore', 'files', '--yes'], { cwd: work.root, env, killAt })
  expect(ended).toMatchObject({ hit: true, signal: 'SIGKILL' })
}

async function ask(sql: string): Promise<readonly string[]> {
  return await server.ask(state, sql.replaceAll(/(from|update) (\w+)/g, '$1 holdfast.$2'))
}

/** As if that many seconds had gone by since the last sign of life of whoever is gone. */
async function gone(seconds: number): Promise<void> {
  const then = Date.now() - seconds * 1000
  const whose = `(select instance from restores where status = 'running')`
  await ask(`update instances set until = ${then} where id in ${whose}`)
  await ask(`update leases set until = ${then} where instance in ${whose}`)
}

const MINUTES = 60

function abandon(id: string, env: Record<string, string>, ...more: string[]): Promise<Ran> {
  return work.run(['restore', '--abandon', id, '--reason', 'the disk is gone', ...more], { env })
}

function startedOn(env: Record<string, string>): Daemon {
  return startDaemon(work, { env })
}

async function row(id: string): Promise<string> {
  const [line = ''] = await ask(`select status, error from restores where id = '${id}'`)
  return line
}

const journal = () => ask(`select count(*) from journal where body like '%swap%'`)

async function beside(): Promise<readonly string[]> {
  return Object.keys(await work.files()).filter((path) => path.includes('holdfast-previous'))
}

describe('a restore that was cut short on a host that stays away', () => {
  it('is left alone by all others, and told once by one of them after ten minutes', async () => {
    const id = await cutShort(BEFORE_SWAP)
    await gone(11 * MINUTES)
    // A command is heard by whoever sits there, which does not count.
    const { stderr } = await work.ok(['backup', 'create', 'proof'], { env: host('one') })
    expect(stderr).not.toContain('cut short')
    await gone(9 * MINUTES)
    await using early = startedOn(host('one'))
    await early.until('daemon.started')
    await early.stop()
    expect(early.events()).not.toContain('restore.stranded')
    await gone(11 * MINUTES)
    await using one = startedOn(host('one'))
    await using two = startedOn(host('two'))
    await Promise.all([one.until('daemon.started'), two.until('daemon.started')])
    const told = () =>
      [one, two].flatMap(({ lines }) => lines.filter(({ event }) => event === 'restore.stranded'))
    await poll(() => told().length > 0, 'the word')
    expect(told()[0]).toMatchObject({
      level: 'error',
      job: 'files',
      source: 'live',
      restore: id,
      instance: 'lost',
      error: { code: 'restore_stranded', hint: expect.stringContaining(`--abandon ${id}`) },
    })
    const types = () => receiver.received.map(({ body }) => JSON.parse(body).type)
    await poll(() => types().includes('restore.stranded'), 'the notification')
    // Another one that comes later finds that it was told.
    await using three = startedOn(host('three'))
    await three.until('daemon.started')
    await three.stop()
    await one.stop()
    await two.stop()
    expect(told()).toHaveLength(1)
    expect(three.events()).not.toContain('restore.stranded')
    expect(types().filter((type) => type === 'restore.stranded')).toHaveLength(1)
    expect(await row(id)).toBe('running|')
    expect(await journal()).toEqual(['1'])
  })

  it('is put in order when its data_dir comes back under another name', async () => {
    const id = await cutShort(BETWEEN)
    await gone(1)
    await using elsewhere = startedOn(host('other', 'lost'))
    await elsewhere.until('daemon.started')
    await elsewhere.stop()
    // A host of the same name is another host.
    expect(await row(id)).toBe('running|')
    await using back = startedOn(host('lost', 'container-17'))
    await back.until('restore.done')
    expect(await row(id)).toBe('success|')
    expect(await work.files('live')).toEqual({ a: 'old' })
    await back.stop()
  })

  it('goes by the name of its instance where the mark was not kept yet', async () => {
    const id = await cutShort(BETWEEN)
    await gone(1)
    await ask('update restores set home = null')
    await using other = startedOn(host('lost', 'other'))
    await other.until('daemon.started')
    await other.stop()
    expect(await row(id)).toBe('running|')
    await using back = startedOn(host('other', 'lost'))
    await back.until('restore.done')
    await back.stop()
  })
})

describe('to abandon a restore', () => {
  it('is refused while its instance lives, without a reason, without a yes, and of what is not open', async () => {
    const id = await cutShort(BEFORE_SWAP)
    // Nobody has noticed its death yet.
    await gone(-600)
    const alive = await abandon(id, host('one'), '--yes')
    expect(alive).toMatchObject({ code: 11, stderr: expect.stringContaining('stop that process') })
    await gone(1)
    const why = await work.run(['restore', '--abandon', id, '--yes'], { env: host('one') })
    expect(why).toMatchObject({ code: 1, stderr: expect.stringContaining('--reason') })
    const unasked = await abandon(id, host('one'))
    expect(unasked).toMatchObject({ code: 1, stderr: expect.stringContaining('add --yes') })
    const unknown = await abandon('nosuch', host('one'), '--yes', '--json')
    expect(unknown.document.error).toMatchObject({
      code: 'reference_unknown',
      hint: `open are: ${id}`,
    })
    expect(await row(id)).toBe('running|')
  })

  it('is refused on its own host, whose daemon puts it in order', async () => {
    const id = await cutShort(BEFORE_SWAP)
    await gone(1)
    const here = await abandon(id, host('lost', 'renamed'), '--yes')
    expect(here).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('start the daemon here'),
    })
    await using daemon = startedOn(host('lost'))
    await daemon.until('daemon.started')
    expect(await row(id)).not.toContain('running')
    await daemon.stop()
  })

  it('is refused where there are no other hosts', async () => {
    const alone = { DATA: work.at('alone') }
    await work.ok(['backup', 'create', 'files'], { env: alone })
    await killed(BETWEEN, alone)
    const status = await work.ok(['status', '--json'], { env: alone })
    const [{ id }] = status.document.restores
    const refused = await abandon(id, alone, '--yes')
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('start the daemon here'),
    })
  })

  it('settles it as failed with reason and author, and its source is backed up again', async () => {
    const id = await cutShort(BEFORE_SWAP)
    await gone(1)
    await work.write({ 'holdfast.yml': config(slotIn(14)) })
    await using one = startedOn(host('one'))
    await one.until('backup.done', { fits: ({ job }) => job === 'proof' })
    expect(one.lines.filter(({ job, event }) => job === 'files' && event !== 'plan.made')).toEqual(
      [],
    )
    const done = await abandon(id, host('one'), '--yes', '--author', 'ada')
    expect(done).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`abandoned restore ${id}`),
    })
    expect(done.stderr).toMatch(/begun .* on .*instance lost/)
    expect(done.stderr).toContain('live → ')
    expect(await row(id)).toBe('failed|abandoned by ada: the disk is gone')
    // It would look again within 15 seconds by itself.
    one.signal('SIGHUP')
    await one.until('backup.done', { fits: ({ job }) => job === 'files' })
    await one.stop()
    expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toEqual(['restore.failed'])
    expect((await abandon(id, host('one'), '--yes')).code).toBe(1)
    // What it left may wait for its host for ever: it keeps nobody from moving the state.
    await work.ok(['state', 'export', 'moved.jsonl'], { env: host('one') })
    expect(await readFile(work.at('moved.jsonl'), 'utf8')).toContain('"swap')
  })

  it('lets its host, when it comes back, take back what it had begun, and claim no success', async () => {
    const id = await cutShort(BETWEEN)
    await gone(1)
    await work.run(['status'], { env: host('one') })
    expect((await abandon(id, host('one'), '--yes')).code).toBe(0)
    await using one = startedOn(host('one'))
    await one.until('daemon.started')
    await one.stop()
    // Nobody else touches paths of that host, nor takes its journal for done.
    expect([await journal(), await work.files('live')]).toEqual([['1'], {}])
    await using back = startedOn(host('lost', 'again'))
    const told = await back.until('restore.abandoned')
    expect(told).toMatchObject({ level: 'warn', restore: id, swap: 'back' })
    await back.until('daemon.started')
    await back.stop()
    expect(back.events()).not.toContain('restore.done')
    expect(await work.files('live')).toEqual({ a: 'changed' })
    expect([await journal(), await beside()]).toEqual([['0'], []])
    expect(await row(id)).toMatch(/^failed\|abandoned by /)
  })

  it('leaves data that was in place by then where it is, and keeps that from before', async () => {
    const id = await cutShort(WHOLE)
    await gone(1)
    expect((await abandon(id, host('one'), '--yes')).code).toBe(0)
    await work.write({ 'live/since': 'new' })
    await using back = startedOn(host('lost'))
    const told = await back.until('restore.abandoned')
    expect(told).toMatchObject({ level: 'warn', restore: id, swap: 'forward' })
    await back.until('daemon.started')
    await back.stop()
    expect(await work.files('live')).toEqual({ a: 'old', since: 'new' })
    const [kept = ''] = await beside()
    expect(await work.read(kept)).toBe('changed')
    expect(told.message).toContain('holdfast-previous')
    expect([await journal(), await row(id)]).toEqual([['0'], expect.stringMatching(/^failed/)])
  })
})

describe('the mark of a data_dir', () => {
  it('is the same for all who make it at once', async () => {
    const folder = work.at('new')
    await mkdir(folder)
    const makers = Array.from({ length: 20 }, () => homeOf(folder, Date.now() as Instant))
    const marks = new Set(await Promise.all(makers))
    expect([...marks].map((mark) => `${mark}\n`)).toEqual([await work.read('new', 'home')])
    expect(await readdir(folder)).toEqual(['home'])
  })

  it('that was emptied keeps a restore from its data, and nobody who only looks', async () => {
    await work.write({ 'lost/home': '' })
    const env = host('lost')
    for (const verb of [['status'], ['backup', 'list']]) await work.ok(verb, { env })
    const refused = await work.run(['restore', 'files', '--yes'], { env })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('remove it') })
    expect(await work.files('live')).toEqual({ a: 'changed' })
  })

  it('is made by whoever restores there, and by nobody who only looks', async () => {
    const env = host('new')
    await work.ok(['plan'], { env })
    expect(await readdir(work.at('new'))).not.toContain('home')
    await work.ok(['restore', 'files', '--yes'], { env })
    expect(await readdir(work.at('new'))).toContain('home')
  })
})
