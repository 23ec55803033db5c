import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Daemon, startDaemon, untilUp } from '../services/processes.ts'
import { type Block, bash, blocksOf, type Ended, makeFolder, ROOT } from './support.ts'

const PAGE = 'examples/ha/README.md'
/** What the instances do by themselves takes no longer, in milliseconds. */
const LIMIT = 90_000

const folder = await makeFolder()
const run = join(folder.path, 'run')
const NODES = ['node-1', 'node-2', 'node-3'] as const
type Node = (typeof NODES)[number]

let blocks: readonly Block[] = []
let example: Daemon
/** When what the killed instance was at was taken over. */
let abandonedAt = Number.POSITIVE_INFINITY

interface Line {
  readonly event: string
  readonly time: string
  readonly job?: string
  readonly level: string
  readonly message: string
}

interface Instance {
  readonly name: string
  readonly kind: string
  readonly alive: boolean
  readonly draining: boolean
  readonly until: string
  readonly holds: readonly string[]
}

beforeAll(async () => {
  blocks = (await blocksOf(PAGE)).filter(({ language }) => language === 'sh')
  const [program = '', ...args] = block('start').trim().split(' ')
  const env = [`HA_RUN=${run}`, `HA_PORT=${await freeBase()}`, 'LEDGER_SECONDS=10']
  const log = join(folder.path, 'out')
  example = startDaemon(log, 'env', [...env, join(ROOT, program), ...args.map(inRoot)])
  await untilUp([example], async () => readFileSync(log, 'utf8').includes('In a second terminal'))
})

afterAll(async () => {
  await example.stop('SIGTERM')
  await folder[Symbol.asyncDispose]()
})

/** Ports that the example takes from its base on. */
const PORTS = 100

/**
 * The first of so many ports that nobody listens on now, below those that the system gives to
 * connections: the example takes its own one after the other, while everything else connects.
 */
async function freeBase(): Promise<number> {
  const first = 20_000 + PORTS * Math.floor(Math.random() * 60)
  for (let base = first; base < first + 60 * PORTS; base += PORTS) {
    const ports = Array.from({ length: PORTS }, (_, index) => base + index)
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base
  }
  throw new Error('no hundred ports in a row are free')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return await promise
}

const inRoot = (word: string) => (word.endsWith('.ts') ? join(ROOT, word) : word)

function block(...words: readonly string[]): string {
  const found = blocks.filter((one) => one.words.join(' ') === words.join(' '))
  expect(found, `blocks of the page marked ${words.join(' ')}`).toHaveLength(1)
  return found[0]?.text ?? ''
}

/** Runs a block as a reader does, in a terminal that was set up. */
async function follow(name: string, change = (text: string) => text): Promise<Ended> {
  const setup = block('setup').replace('examples/ha/run', run)
  return await bash(`${setup}\n${change(block(name))}`, ROOT)
}

/** What a busy job ends a command with: its slot of this very minute is being run. */
const BUSY = 11

/** Follows a block that kills something and asks for a backup, which is asked for until none runs. */
async function strike(name: string, change = (text: string) => text): Promise<Ended> {
  let ended = await follow(name, change)
  await until(`a job that is not busy, for ${name}`, async () => {
    if (ended.code === BUSY) ended = await follow(name, withoutBlow)
    return ended.code !== BUSY
  })
  return ended
}

const withoutBlow = (text: string) => text.split('\n').slice(1).join('\n')

function logOf(node: Node): readonly Line[] {
  const lines = readFileSync(join(run, `${node}.log`), 'utf8').split('\n')
  return lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))
}

/** Resolves with the first line of one of the logs from that moment on that fits. */
async function heard(
  event: string,
  since: number,
  {
    nodes = NODES,
    fits = () => true,
  }: { nodes?: readonly Node[]; fits?: (line: Line) => boolean } = {},
): Promise<Line> {
  const isIt = (line: Line) => line.event === event && Date.parse(line.time) >= since && fits(line)
  const find = () => nodes.flatMap((node) => logOf(node).filter(isIt))[0]
  await until(`${event} in a log`, async () => find() !== undefined)
  const found = find()
  if (!found) throw new Error(`no ${event}`)
  return found
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + LIMIT
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > limit) throw new Error(`waited too long for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function instances(): Promise<readonly Instance[]> {
  const { code, stdout } = await follow('look', () => 'holdfast status --json')
  if (code !== 0) return []
  const { instances: seen } = JSON.parse(stdout) as { readonly instances: readonly Instance[] }
  return seen
}

async function ready(node: Node): Promise<number> {
  const number = node.slice(-1)
  const { stdout } = await follow(
    'look',
    () => `curl -s -o /dev/null -w '%{http_code}' $NODE_${number}/readyz`,
  )
  return Number(stdout)
}

const pidOf = (part: string) => Number(readFileSync(join(run, `${part}.pid`), 'utf8'))
const runs = (part: string) => existsSync(join(run, `${part}.pid`))

/** What was killed runs again, and answers. */
async function again(...parts: readonly string[]): Promise<void> {
  await until(`the end of ${parts.join(', ')}`, async () => !parts.some(runs))
  expect(await follow('again')).toMatchObject({ code: 0 })
  await until(`${parts.join(', ')} again`, async () => parts.every(runs))
}

interface Listed {
  readonly job: string
  readonly slot: string | null
  readonly status: string
}

async function listed(): Promise<readonly Listed[]> {
  const { stdout } = await follow('count', () => 'holdfast backup list --all --json')
  return (JSON.parse(stdout) as { readonly backups: readonly Listed[] }).backups
}

describe('the example of several instances', () => {
  it('has no command on its page that is not run here, but those of Docker', () => {
    const marked = blocks.map(({ words }) => words.join(' '))
    expect(marked.toSorted()).toEqual(
      [
        ...['start', 'again', 'setup', 'compose', 'look', 'count', 'upgrade', 'drain', 'undrain'],
        ...['kill-instance', 'kill-primary', 'kill-redis', 'kill-postgres', 'kill-s3'],
      ].toSorted(),
    )
  })

  it('has another instance take over what a killed one was at, at most 30 s after its lease', async () => {
    let holder: Instance | undefined
    await until('an instance that has just begun to back up ledger', async () => {
      holder = (await instances()).find(({ holds }) => holds.includes('job:ledger'))
      const begun = NODES.flatMap(logOf)
        .filter(({ event, job }) => event === 'backup.started' && job === 'ledger')
        .map(({ time }) => Date.parse(time))
      return holder !== undefined && Date.now() - Math.max(...begun) < 6_000
    })
    const since = Date.now()
    const name = holder?.name as Node
    const killed = await follow('kill-instance', (text) => text.replace('node-2', name))
    expect(killed).toMatchObject({ code: 0 })
    const others = NODES.filter((node) => node !== name)
    const found = await heard('backup.abandoned', since, { nodes: others })
    expect(found.job).toBe('ledger')
    const gone = (await instances()).find((one) => one.name === name)
    expect(gone).toMatchObject({ alive: false, holds: [] })
    const waited = Date.parse(found.time) - Date.parse(gone?.until ?? '')
    expect(waited).toBeGreaterThan(-1000)
    expect(waited).toBeLessThan(30_000)
    abandonedAt = Date.parse(found.time)
    await again(name)
  })

  it('shows instances, health and metrics as the page says', async () => {
    await until('three ready instances', async () => {
      const codes = await Promise.all(NODES.map(ready))
      return codes.every((code) => code === 200)
    })
    const { code, stdout } = await follow('look')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^bucket +s3 .* ok$/m)
    for (const node of NODES) expect(stdout).toMatch(new RegExp(`^${node} +alive `, 'm'))
    expect(stdout).toContain('3 of 3 instances live')
    expect(stdout).toContain('{"status":"ok"}')
    expect(stdout).toContain('"status":"ready"')
    expect(stdout).toContain('holdfast_instances_expected 3')
    expect(stdout).toContain('holdfast_instances_seen 3')
  })

  it('drains an instance by its socket, and has it back by its address and token', async () => {
    const drained = await follow('drain')
    expect(drained.code).toBe(0)
    expect(drained.stdout).toContain('drained: nothing runs')
    expect(drained.stdout).toContain('"because":["draining"]')
    expect(drained.stdout).toMatch(/^node-3 +draining /m)
    expect(await follow('undrain')).toMatchObject({ code: 0, stdout: 'takes slots again\n' })
    expect(await ready('node-3')).toBe(200)
  })

  /** When the first of Redis died. */
  let troubled = Number.POSITIVE_INFINITY

  it('backs up while the primary of Redis is dead', async () => {
    const since = Date.now()
    troubled = since
    expect(await strike('kill-primary')).toMatchObject({ code: 0 })
    await heard('redis.failover', since)
  })

  it('backs up while all of Redis is dead', async () => {
    const all = ['redis-2', 'redis-3', 'sentinel-1', 'sentinel-2', 'sentinel-3']
    // The page kills redis-1, too, which is dead already here.
    const glob = await strike('kill-redis', (text) => text.replace('redis-?', 'redis-[23]'))
    expect(glob).toMatchObject({ code: 0 })
    // An outage is told once: where it began with the primary, it may not have ended between.
    await heard('redis.lost', troubled)
    expect(await ready('node-2')).toBe(200)
    await again('redis-1', ...all)
  })

  it('stays alive and is not ready while PostgreSQL is dead, and goes on when it is back', async () => {
    const since = Date.now()
    const killed = await follow('kill-postgres')
    expect(killed).toMatchObject({ code: 0, stdout: '{"status":"ok"}\n' })
    await heard('state.lost', since)
    await until('an instance that is not ready', async () => (await ready('node-2')) === 503)
    await again('postgres')
    await heard('state.back', since)
    const broken = logOf('node-2').filter(
      ({ event, level, time }) =>
        event === 'pass.failed' && level === 'error' && Date.parse(time) >= since,
    )
    for (const [message, told] of Map.groupBy(broken, (line) => line.message)) {
      expect(told.length, `told once, not at each pass: ${message}`).toBeLessThan(5)
    }
    await until('an instance that is ready', async () => (await ready('node-2')) === 200)
  })

  it('fails and says so while the S3 server is dead, and goes on when it is back', async () => {
    expect(await strike('kill-s3')).toMatchObject({ code: 13 })
    expect(await ready('node-2')).toBe(200)
    await again('s3')
    expect(await strike('kill-s3', withoutBlow)).toMatchObject({ code: 0 })
  })

  it('upgrades an instance by a SIGTERM that drains it', async () => {
    const since = Date.now()
    const before = pidOf('node-1')
    expect(await follow('upgrade')).toMatchObject({ code: 0 })
    await heard('daemon.stopped', since, {
      nodes: ['node-1'],
      fits: ({ level }) => level === 'info',
    })
    await again('node-1')
    expect(pidOf('node-1')).not.toBe(before)
  })

  it('has every slot at most once in the end, and all copies sound', async () => {
    await heard('backup.done', abandonedAt, { fits: ({ job }) => job === 'ledger' })
    const { code, stdout } = await follow('count')
    expect(code).toBe(0)
    expect(stdout).toMatch(/copies are sound/)
    let backups = await listed()
    const done = () => backups.filter(({ slot, status }) => slot !== null && status === 'success')
    // Whether a minute began between two of the blows above is chance: the first backups have no slot.
    await until('a slot that succeeded', async () => {
      if (done().length === 0) backups = await listed()
      return done().length > 0
    })
    const names = done().map(({ job, slot }) => `${job} ${slot}`)
    expect(names).toEqual([...new Set(names)])
    const jobs = new Set(backups.map(({ job }) => job))
    expect([...jobs].toSorted()).toEqual(['invoices', 'ledger', 'orders', 'uploads'])
  })

  it('stops everything that it started', async () => {
    const pids = [...NODES, 'postgres', 'redis-1', 'sentinel-1', 's3', 'ceph-osd'].map(pidOf)
    await example.stop('SIGTERM')
    const lives = (pid: number) => existsSync(`/proc/${pid}`)
    expect(pids.filter(lives)).toEqual([])
  })
})
