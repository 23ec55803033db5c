/*
 * What passes cost three instances that share many jobs: `node bench/fleet.ts [--jobs 10000]`. Real
 * PostgreSQL and Redis on loopback, three instances in this process with a clock of the bench's own;
 * passes with nothing due, and passes at a minute at which a hundred jobs are due, whose backups then
 * run. Processor seconds of a pass, medians of ten; transactions of PostgreSQL and commands of Redis.
 * Ends with 1 when a median is over a second.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { loadConfig } from '../src/config/load.ts'
import type { Instant } from '../src/core/model.ts'
import { applyConfig } from '../src/daemon/apply.ts'
import { createDispatch, type Dispatch } from '../src/daemon/dispatch.ts'
import { openSession, type Session } from '../src/daemon/session.ts'
import { createWake } from '../src/daemon/wake.ts'
import { Interrupted } from '../src/lib/errors.ts'
import type { World } from '../src/observe/world.ts'
import { sourceKinds } from '../src/sources/index.ts'
import { targetKinds } from '../src/targets/index.ts'
import { type PostgresServer, startPostgres } from '../test/services/postgres.ts'
import { startRedis } from '../test/services/redis.ts'
import { median } from './measure.ts'

const LIMIT_SECONDS = 1
const PASSES = 10
const INSTANCES = 3
const DUE_AT_ONCE = 100
const MINUTE = 60_000
const NEVER = new AbortController().signal

interface Instance {
  readonly session: Session
  readonly world: World
  readonly dispatch: Dispatch
  readonly stop: AbortController
}

/** The clock of the bench: it stands still until it is set. */
interface Clock {
  at: number
}

interface Calls {
  readonly transactions: number
  readonly commands: number
}

interface Setting {
  readonly url: string
  readonly redis: string
  readonly ask: () => Promise<Calls>
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { jobs: { type: 'string', default: '10000' } } })
  const root = await mkdtemp(join(tmpdir(), 'holdfast-fleet-'))
  try {
    await using postgres = await startPostgres()
    await using redis = await startRedis()
    const url = await postgres.database()
    const client = new Redis(redis.url, { maxRetriesPerRequest: 1 })
    const ask = () => callsOf(postgres, url, client)
    const isFast = await run(root, Number(values.jobs), { url, redis: redis.url, ask })
    client.disconnect()
    process.exitCode = isFast ? 0 : 1
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** A server session tells of its transactions once it has been idle for ten seconds. */
const TOLD_AFTER = 11_000

async function callsOf(postgres: PostgresServer, url: string, client: Redis): Promise<Calls> {
  await sleep(TOLD_AFTER)
  const sql =
    'select pg_stat_force_next_flush(); select xact_commit from pg_stat_database where datname = current_database()'
  const rows = await postgres.ask(url, sql)
  const stats = await client.info('stats')
  const [, commands] = /total_commands_processed:(\d+)/.exec(stats) ?? []
  return { transactions: Number(rows.at(-1)), commands: Number(commands) }
}

async function run(root: string, jobs: number, setting: Setting): Promise<boolean> {
  const clock: Clock = { at: Date.UTC(2026, 10, 20, 0, 30) }
  const path = join(root, 'holdfast.yml')
  await writeFile(path, configText(root, jobs, setting))
  const instances: Instance[] = []
  for (let index = 0; index < INSTANCES; index++) {
    instances.push(await open({ root, path, index, clock }))
  }
  try {
    const first = await eachPass(instances)
    console.log(`first look at ${jobs} jobs: ${first.map((one) => one.toFixed(2)).join(' ')} s`)
    await quiet(instances)
    const idle = await idlePasses(instances, clock, setting)
    const busy = await duePasses(instances, clock, setting)
    return idle <= LIMIT_SECONDS && busy <= LIMIT_SECONDS
  } finally {
    for (const { stop, session, dispatch } of instances) {
      stop.abort(new Interrupted('the bench ends'))
      await dispatch.settle()
      await session[Symbol.asyncDispose]()
    }
  }
}

/** The minutes from 01:00 on have a hundred jobs each, as far as jobs go. */
function configText(root: string, jobs: number, { url, redis }: Setting): string {
  const source = { type: 'command', name: 'words', backup: ['echo', 'words'] }
  const entries = Array.from({ length: jobs }, (_, index) => {
    const minute = MINUTE * Math.floor(index / DUE_AT_ONCE) + Date.UTC(2026, 0, 1, 1)
    const at = new Date(minute)
    const schedule = `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`
    return [`job-${index}`, { schedule, source, objectives: { verified_within: 'never' } }]
  })
  return JSON.stringify({
    ...{ state: url, redis, instances: INSTANCES, data_dir: `$\{DATA}` },
    limits: { concurrency: 4 },
    targets: { shelf: { type: 'local', path: join(root, 'shelf') } },
    jobs: Object.fromEntries(entries),
  })
}

interface Opening {
  readonly root: string
  readonly path: string
  readonly index: number
  readonly clock: Clock
}

async function open({ root, path, index, clock }: Opening): Promise<Instance> {
  const env = {
    PATH: process.env.PATH,
    DATA: join(root, `data-${index}`),
    HOLDFAST_INSTANCE: `instance-${index}`,
  }
  const now = () => clock.at as Instant
  const desired = await loadConfig({ path, env, cwd: root, now: now() })
  const plugins = { sources: sourceKinds, targets: targetKinds }
  const [report, progress] = [() => {}, () => {}]
  const ambient = { env, cwd: root, now, version: 'bench', plugins, report, progress }
  const session = await openSession(desired, ambient, 'daemon')
  const world = session.world(desired)
  await applyConfig(world, NEVER)
  const stop = new AbortController()
  const dispatch = createDispatch({ world: () => world, wake: createWake(), stop: stop.signal })
  return { session, world, dispatch, stop }
}

/** Processor seconds of a pass of each instance, one after the other. */
async function eachPass(instances: readonly Instance[]): Promise<readonly number[]> {
  const seconds: number[] = []
  for (const { dispatch } of instances) {
    const before = process.cpuUsage()
    await dispatch.pass()
    const { user, system } = process.cpuUsage(before)
    seconds.push((user + system) / 1e6)
  }
  return seconds
}

/** Passes until nobody runs anything any more. */
async function quiet(instances: readonly Instance[]): Promise<void> {
  const [first] = instances
  if (!first) return
  for (let rested = 0; rested < 2; ) {
    await sleep(200)
    await eachPass(instances)
    const { open } = await first.world.store.pulse(first.world.now())
    rested = open.length === 0 ? rested + 1 : 0
  }
}

async function idlePasses(
  instances: readonly Instance[],
  clock: Clock,
  setting: Setting,
): Promise<number> {
  const seconds: number[] = []
  const before = await setting.ask()
  for (let pass = 0; pass < PASSES; pass++) {
    clock.at += 1000
    seconds.push(...(await eachPass(instances)))
  }
  return tell('nothing due', seconds, before, await setting.ask())
}

async function duePasses(
  instances: readonly Instance[],
  clock: Clock,
  setting: Setting,
): Promise<number> {
  const seconds: number[] = []
  clock.at = Date.UTC(2026, 10, 20, 1) - MINUTE
  const before = await setting.ask()
  for (let pass = 0; pass < PASSES; pass++) {
    clock.at += MINUTE
    seconds.push(...(await eachPass(instances)))
    await finish(instances, clock)
  }
  return tell(`${DUE_AT_ONCE} due, and run`, seconds, before, await setting.ask())
}

/** Whoever is rather to run a job leaves it to the others for a few seconds: the clock goes on for them. */
async function finish(instances: readonly Instance[], clock: Clock): Promise<void> {
  const minute = clock.at
  for (let tick = 0; tick < 10; tick++) {
    clock.at = minute + tick * 4_000
    await quiet(instances)
  }
  clock.at = minute
}

function tell(name: string, seconds: readonly number[], before: Calls, after: Calls): number {
  const half = median([...seconds])
  const passes = seconds.length
  const transactions = (after.transactions - before.transactions) / passes
  const commands = (after.commands - before.commands) / passes
  console.log(
    `${name.padEnd(18)} ${half.toFixed(3)} s of CPU a pass (most ${Math.max(...seconds).toFixed(3)}), ` +
      `${transactions.toFixed(1)} transactions and ${commands.toFixed(1)} commands of Redis a pass`,
  )
  return half
}

await main()
