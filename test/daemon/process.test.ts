import { readdir, readFile, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openReceiver } from '../notify/receiver.ts'
import { poll, slotIn, startDaemon } from '../support/daemon.ts'
import { type Document, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { mountTmpfs } from '../support/mounts.ts'
import { openGate } from './gate.ts'

let space: Workspace

beforeEach(async () => {
  space = await makeWorkspace()
})

afterEach(() => space[Symbol.asyncDispose]())

const TARGETS = { here: { type: 'local', path: 'target' } }

async function write(config: object, name = 'holdfast.yml'): Promise<void> {
  await space.write({ [name]: JSON.stringify({ data_dir: 'state', ...config }) })
}

/** A source that is done once the gate lets it pass. */
function gated(path: string, more = ''): object {
  return { type: 'command', name: 'slow', backup: ['sh', '-c', `echo begin; ${more} cat ${path}`] }
}

describe('a daemon at work', () => {
  it('has its data_dir to itself, and shares it with the commands of a person', async () => {
    await using gate = await openGate()
    await space.write({ 'live/docs/letter': 'dear' })
    const docs = { first_run: 'now', source: { type: 'directory', path: 'live/docs' } }
    const slow = { first_run: 'now', source: gated(gate.path) }
    await write({ targets: TARGETS, jobs: { docs, slow } })
    await using daemon = startDaemon(space)
    await daemon.until('verify.done', { fits: ({ job }) => job === 'docs' })
    await daemon.until('backup.started', { fits: ({ job }) => job === 'slow' })

    const second = await space.run(['daemon'])
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(`another daemon works on ${space.at('state')}`)
    expect(second.stderr).toContain(`pid ${daemon.pid}`)
    expect(second.stderr).toContain('stop that daemon first')

    // All of this while a backup of the daemon's is under way.
    const created = await space.ok(['backup', 'create', 'docs', '--json'])
    expect(created.document.backups).toMatchObject([{ job: 'docs', status: 'success' }])
    const listed = await space.ok(['backup', 'list', 'docs', '--json'])
    expect(listed.document.backups).toHaveLength(2)
    await space.ok(['backup', 'verify', '--all'])
    await space.ok(['restore', 'docs/docs@latest', '--to', space.at('out'), '--yes'])
    expect(await space.files('out')).toEqual({ letter: 'dear' })
    const status = await space.ok(['status', '--json'])
    expect(JSON.stringify(status.document)).toContain('"alive":true')

    await space.write({ 'live/docs/letter': 'ruined' })
    await space.ok(['restore', 'docs/docs@latest', '--yes'])
    expect(await space.files('live/docs')).toEqual({ letter: 'dear' })
    daemon.signal('SIGHUP') // looks again at once, and finds that a baseline is owed
    await daemon.until('restore.released', { fits: ({ job }) => job === 'docs' })

    await gate.pass('end')
    await daemon.until('backup.done', { fits: ({ job }) => job === 'slow' })
    expect(daemon.stderr()).toBe('')
    expect(daemon.events()).not.toContain('pass.failed')
    expect(daemon.events()).not.toContain('backup.abandoned')
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
  })

  it('tells a heartbeat that a backup began while it is still at it', async () => {
    await using gate = await openGate()
    await using receiver = await openReceiver()
    const watch = { type: 'ping', url: `${receiver.origin}/abc` }
    const slow = { first_run: 'now', source: gated(gate.path), notify: ['watch'] }
    await write({ targets: TARGETS, notify: { watch }, jobs: { slow } })
    await using daemon = startDaemon(space)
    await poll(() => receiver.received.length > 0, 'the ping')
    expect(daemon.events()).not.toContain('backup.done')
    await gate.pass('end')
    await poll(() => receiver.received.length > 1, 'the second ping')
    const [start, end] = receiver.received.map(({ path }) => path)
    expect(start).toMatch(/^\/abc\/start\?rid=/)
    expect(end).toBe(start?.replace('/start', ''))
    await daemon.stop()
  })

  it('takes a slot at its time and tries it again in time, as often as `retry` says and no more', async () => {
    const backup = ['sh', '-c', 'echo run >> runs; exit 1']
    const source = { type: 'command', name: 'bad', backup, cwd: '.' }
    const bad = { schedule: slotIn(12), source, retry: { attempts: 2, within: '8s' } }
    await write({ targets: TARGETS, jobs: { bad } })
    await using daemon = startDaemon(space)
    const first = await daemon.until('backup.failed')
    const second = await daemon.until('backup.failed', { from: daemon.lines.indexOf(first) + 1 })
    expect(Date.parse(second.time) - Date.parse(first.time)).toBeGreaterThan(3500)
    // A loop that spins would have run it many times in what is left of the time for retries.
    await daemon.stop()
    expect(await space.read('runs')).toBe('run\nrun\n')
  })

  it('waits with its restore at boot for whoever holds the job, until it is told to stop', async () => {
    await using gate = await openGate()
    const source = { ...gated(gate.path), restore: ['sh', '-c', 'cat > taken'], cwd: '.' }
    await write({ targets: TARGETS, jobs: { slow: { source } } })
    const earlier = space.start(['backup', 'create'])
    await earlier.until(() => earlier.stderr().includes('backing up'))
    await gate.pass('earlier')
    expect((await earlier.ended).code).toBe(0)

    const holder = space.start(['backup', 'create'])
    await holder.until(() => holder.stderr().includes('backing up'))
    await using daemon = startDaemon(space, { env: { HQL_BACKUP_RESTORE: 'slow/slow' } })
    await daemon.until('restore.waiting')
    await gate.pass('end')
    expect((await holder.ended).code).toBe(0)
    await daemon.until('daemon.started')
    // What was made meanwhile is the newest one.
    expect(await space.read('taken')).toBe('begin\nend')
    await daemon.stop()

    const again = space.start(['backup', 'create'])
    await again.until(() => again.stderr().includes('backing up'))
    await using second = startDaemon(space, { env: { HQL_BACKUP_RESTORE: 'slow/slow' } })
    await second.until('restore.waiting')
    second.signal('SIGTERM')
    // Past the time in which a second signal is the echo of the first.
    await new Promise((over) => setTimeout(over, 2_000))
    expect(await second.stop('SIGTERM')).toEqual({ code: 143, signal: null })
    expect(second.events()).not.toContain('restore.download')
    await gate.pass('end')
    expect((await again.ended).code).toBe(0)
  })

  it('that was killed has its attempt failed and its part file removed by the next', async () => {
    await using gate = await openGate()
    const source = gated(gate.path, `head -c 400000 /dev/urandom; touch ${space.at('at-gate')};`)
    await write({ targets: TARGETS, jobs: { slow: { first_run: 'now', source } } })
    await using first = startDaemon(space)
    const { backup } = await first.until('backup.started')
    await poll(async () => (await parts()).length === 1, 'a part file')
    await poll(async () => 'at-gate' in (await space.files()), 'its way to the gate')
    await first.stop('SIGKILL')
    // What it had started ends by itself once it may go on.
    await gate.pass('end')
    expect(await parts()).toHaveLength(1)

    await using second = startDaemon(space)
    expect(await second.until('backup.abandoned')).toMatchObject({ backup, level: 'error' })
    expect(await second.until('debris.removed')).toMatchObject({ backup, target: 'here' })
    // Nothing is known to be wrong with what a death cut short: it is tried again at once.
    await gate.pass('end')
    const again = await second.until('backup.done')
    expect(await parts()).toEqual([])
    await second.stop()
    const listed = await space.ok(['backup', 'list', '--all', '--json'])
    const ends = new Map(
      listed.document.backups.map(({ id, status }: Document) => [id, status] as const),
    )
    expect(ends).toEqual(
      new Map([
        [backup, 'failed'],
        [again.backup, 'success'],
      ]),
    )
  })
})

/** Files of the target that are no archive yet. */
async function parts(): Promise<readonly string[]> {
  const names = await readdir(space.at('target'), { recursive: true }).catch(() => [])
  return names.filter((name) => /part|unfinished/.test(name) && !name.endsWith('parts'))
}

describe('a state that cannot be written', () => {
  it('ends no daemon and makes none spin', async () => {
    await using disk = await mountTmpfs('2m')
    const source = { type: 'command', name: 'docs', backup: ['date', '+%N'] }
    const due = { schedule: slotIn(20), source }
    const config = (jobs: object) => ({ data_dir: disk.path, targets: TARGETS, jobs })
    await write(config({ due }))
    await using daemon = startDaemon(space)
    await daemon.until('daemon.started')
    await fill(disk.path)
    const from = daemon.lines.length
    const fits = ({ message }: { message: string }) => message.includes('job due broke off')
    const broken = await daemon.until('pass.failed', { from, fits })
    await write(config({ due, eager: { first_run: 'now', source } }))
    await daemon.until('pass.failed', { from: daemon.lines.indexOf(broken) + 1 })

    const [began, before] = [performance.now(), daemon.lines.length]
    const usage = await cpuOf(daemon.pid)
    await poll(() => performance.now() - began > 3000, 'some seconds')
    const spent = (await cpuOf(daemon.pid)) - usage
    const lines = daemon.lines.length - before
    console.log(`full state: ${lines} lines and ${spent} ms of processor in 3 s`)
    expect(lines).toBeLessThan(12)
    expect(spent).toBeLessThan(1500)

    await writeFile(`${disk.path}/filler`, '')
    await daemon.until('config.reloaded', { from })
    await daemon.until('backup.done', { from, fits: ({ job }) => job === 'eager' })
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
  })
})

/** Until not a byte more goes in. */
async function fill(folder: string): Promise<void> {
  await writeFile(`${folder}/filler`, Buffer.alloc(8_000_000)).catch(() => {})
}

/** Milliseconds of processor time so far. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}
