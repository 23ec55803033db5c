import { join } from 'node:path'
import { startCeph } from '../services/ceph.ts'
import { type PgBouncer, startPgBouncer } from '../services/pgbouncer.ts'
import { type Follower, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type RedisPlace, startCluster, startRedis, startSentinels } from '../services/redis.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { bucketShelf } from '../storm/bucket-shelf.ts'
import { type FaultyLink, startProxy } from '../support/proxy.ts'
import { folderShelf, type Shelf } from '../support/shelf.ts'

/** The Redis of a deployment: alone, three sentinels over a primary and two replicas, or three nodes. */
export type Topology = 'single' | 'sentinels' | 'cluster'

const REDIS = {
  single: () => startRedis(),
  sentinels: startSentinels,
  cluster: startCluster,
} satisfies Record<Topology, () => Promise<RedisPlace>>

/** The servers of one deployment. */
export interface Places extends AsyncDisposable {
  readonly topology: Topology
  readonly redis: RedisPlace
  readonly database: Database
  readonly shelf: Shelf
}

export interface Wanted {
  readonly topology: Topology
  /** PgBouncer before the database. */
  readonly pooled: boolean
  readonly target: 'local' | 's3'
  /** A folder for a local target, and for what is read from another one. */
  readonly folder: string
}

/** The database and the server that follows it, and the one way to whichever of them leads. */
export interface Database extends AsyncDisposable {
  /** Where instances find it. */
  readonly port: number
  /** Its address there. */
  readonly url: string
  /** Rows as JSON, of the server that leads, by the tests' own way. */
  rows<Row>(select: string): Promise<readonly Row[]>
  /** Whether it can be asked where instances ask it. */
  answers(): Promise<boolean>
  crash(): Promise<void>
  restart(): Promise<void>
  /** Kills the one that leads, for ever, and promotes the other. Only once; nothing committed is lost. */
  failOver(): Promise<void>
}

export async function openPlaces(wanted: Wanted): Promise<Places> {
  await using stack = new AsyncDisposableStack()
  const started = Promise.all([
    openDatabase(wanted.pooled),
    REDIS[wanted.topology](),
    openShelf(wanted),
  ])
  const [database, redis, [shelf, server]] = await started
  stack.use(database)
  stack.use(redis)
  if (server) stack.use(server)
  const owned = stack.move()
  return {
    topology: wanted.topology,
    database,
    redis,
    shelf,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function openShelf({
  target,
  folder,
}: Wanted): Promise<readonly [Shelf, AsyncDisposable | null]> {
  if (target === 'local') {
    const path = join(folder, 'shelf')
    return [folderShelf('shelf', path, { type: 'local', path }), null]
  }
  const server = await startCeph()
  const name = await makeBucket(server)
  const { endpoint, accessKey: access_key_id, secretKey: secret_access_key } = server
  const bucket = { client: clientOf(server), name, folder: join(folder, 'read') }
  return [bucketShelf('shelf', bucket, { endpoint, access_key_id, secret_access_key }), server]
}

/** Of PgBouncer to its server: an instance that sleeps in a transaction keeps its own for ten seconds. */
const CONNECTIONS = 12

/** A commit is one only once the follower has it: a failover loses none that was acknowledged. */
async function openDatabase(pooled: boolean): Promise<Database> {
  let server: PostgresServer = await startPostgres()
  const first = server
  const follower: Follower = await first.follower()
  const url = await first.database()
  await first.ask(url, `alter system set synchronous_standby_names = '*'`)
  await first.ask(url, 'select pg_reload_conf()')
  const link: FaultyLink = await startProxy(first.port)
  const bouncer: PgBouncer | null = pooled
    ? await startPgBouncer({ port: link.port }, CONNECTIONS)
    : null
  const port = bouncer?.port ?? link.port
  return {
    port,
    url: url.replace(`:${first.port}/`, `:${port}/`),
    async rows<Row>(select: string) {
      const here = url.replace(`:${first.port}/`, `:${server.port}/`)
      const sql = `set search_path = holdfast; select row_to_json(one) from (${select}) as one`
      return (await server.ask(here, sql)).map((line): Row => JSON.parse(line))
    },
    async answers() {
      const there = url.replace(`:${first.port}/`, `:${port}/`)
      return (await server.ask(there, 'select 1')).length > 0
    },
    crash: () => server.crash(),
    restart: () => server.start(),
    async failOver() {
      await first.crash()
      await follower.promote()
      server = follower
      link.redirect(follower.port)
    },
    async [Symbol.asyncDispose]() {
      await bouncer?.[Symbol.asyncDispose]()
      await link[Symbol.asyncDispose]()
      await follower[Symbol.asyncDispose]()
      await first[Symbol.asyncDispose]()
    },
  }
}
