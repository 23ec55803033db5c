import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, type Daemon, freePorts, startDaemon, untilUp } from './processes.ts'

const PROGRAMS = '/usr/lib/postgresql/15/bin'
/** The account that Debian's package makes: the server refuses to run as root. */
const ACCOUNT = 'postgres'

/** A real PostgreSQL server, on the loopback, with everything synced to the disk. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number
  readonly folder: string
  /** Makes a database and gives its address, with a password in it. */
  database(): Promise<string>
  /** What SQL answers in a database of this address, columns parted by `|`. */
  ask(url: string, sql: string): Promise<readonly string[]>
  /** As after a power cut of the process: nothing is written any more. */
  crash(): Promise<void>
  /** Ends its sessions and itself. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Another server that follows this one, until it is promoted. */
  follower(): Promise<Follower>
}

export interface Follower extends PostgresServer {
  promote(): Promise<void>
}

/** Settings for tests that are not about what a crash leaves: nothing waits for the disk. */
export const HASTY = ['fsync=off', 'full_page_writes=off'] as const

const PASSWORD = 'correct horse'
let databases = 0

/** Starts PostgreSQL in a folder of its own, as another account where this one is root. */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  const place = await makePlace()
  const options = ['-U', 'app', '--auth=trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
  await call('setpriv', [...place.as, '--', `${PROGRAMS}/initdb`, '-D', place.data, ...options])
  return await serve(place, settings)
}

interface Place {
  readonly folder: string
  readonly data: string
  /** Words for setpriv. */
  readonly as: readonly string[]
}

async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'))
  const isRoot = process.getuid?.() === 0
  if (isRoot) await chown(folder, await idOf('-u'), await idOf('-g'))
  const as = isRoot ? [`--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--init-groups'] : []
  return { folder, data: join(folder, 'data'), as }
}

async function idOf(which: '-u' | '-g'): Promise<number> {
  return Number(await call('id', [which, ACCOUNT]))
}

async function serve(place: Place, settings: readonly string[]): Promise<PostgresServer> {
  const { folder, data, as } = place
  const [port = 0] = await freePorts(1)
  const network = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    `unix_socket_directories=${folder}`,
  ]
  const options = [...network, ...settings].flatMap((setting) => ['-c', setting])
  let daemon: Daemon | null = null
  const psql = (url: string, sql: string) => call('psql', [url, '-XAtqc', sql])
  const urlOf = (name: string) =>
    `postgres://app:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${name}`
  const server: PostgresServer = {
    port,
    folder,
    async database() {
      const name = `state_${process.pid}_${++databases}`
      await psql(urlOf('postgres'), `create database ${name}`)
      return urlOf(name)
    },
    ask: async (url, sql) => (await psql(url, sql)).split('\n').filter((line) => line !== ''),
    async crash() {
      await daemon?.stop()
    },
    async stop() {
      await daemon?.stop('SIGINT')
    },
    async start() {
      const program = `${PROGRAMS}/postgres`
      const started = startDaemon(join(folder, 'log'), program, ['-D', data, ...options], as)
      daemon = started
      await untilUp([started], async () => (await psql(urlOf('postgres'), 'select 1')) === '1\n')
    },
    follower: async () => await startFollower(port, settings),
    async [Symbol.asyncDispose]() {
      await daemon?.stop('SIGINT')
      await rm(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

async function startFollower(port: number, settings: readonly string[]): Promise<Follower> {
  const place = await makePlace()
  const from = ['-h', '127.0.0.1', '-p', `${port}`, '-U', 'app', '-R', '-c', 'fast', '--no-sync']
  const copy = [`${PROGRAMS}/pg_basebackup`, '-D', place.data, ...from]
  await call('setpriv', [...place.as, '--', ...copy])
  const server = await serve(place, settings)
  const url = `postgres://app@127.0.0.1:${server.port}/postgres`
  return {
    ...server,
    async promote() {
      await server.ask(url, 'select pg_promote()')
    },
  }
}
