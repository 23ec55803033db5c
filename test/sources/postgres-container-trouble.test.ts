import { rm, statfs, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { call } from '../services/processes.ts'
import { type Document, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { type Mounted, mountTmpfs, resizeTmpfs } from '../support/mounts.ts'
import { inWorld } from '../support/world.ts'
import { stateOf } from '../volume/support.ts'

const DATA = '/var/lib/postgresql/data'
const ENVIRONMENT = ['-e', 'POSTGRES_USER=shop', '-e', 'POSTGRES_PASSWORD=held words']
const MIB = 1024 * 1024

let docker: DockerEngine
/** Disks of the container `cramped`: of its data, and of the log that it writes ahead. */
let data: Mounted
let wal: Mounted

beforeAll(async () => {
  // The engine sees what was mounted before it came.
  data = await mountTmpfs('200m')
  wal = await mountTmpfs('200m')
  docker = await startDocker(['postgres'])
  await Promise.all([startCramped(), startWeb()])
}, 120_000)
afterAll(async () => {
  await docker[Symbol.asyncDispose]()
  await data[Symbol.asyncDispose]()
  await wal[Symbol.asyncDispose]()
})

async function psql(container: string, database: string, sql: string): Promise<string> {
  return await docker.exec(container, 'psql', '-U', 'shop', '-d', database, '-XAtqc', sql)
}

async function untilReady(container: string): Promise<void> {
  const ready = ['psql', '-U', 'shop', '-h', '127.0.0.1', '-c', 'select 1']
  const answers = async () => (await docker.exec(container, ...ready).catch(() => '')) !== ''
  await vi.waitUntil(answers, { timeout: 60_000, interval: 50 })
}

/** Some 5 MiB, that no compression of the server's makes smaller. */
const ROWS = `create table t as select n, (select string_agg(md5(n || ' ' || i), '')
  from generate_series(1, 30) i) as text from generate_series(1, 5000) n`
const TOAST_INDEX = `select indexrelid::regclass from pg_index
  where indrelid = (select reltoastrelid from pg_class where relname = 'u')`
const HELD = `select count(*) from pg_stat_activity where wait_event = 'PgSleep'`
const WAITS = `select count(*) from pg_stat_activity
  where application_name = 'holdfast' and wait_event_type = 'Lock' and query like 'COPY public.u %'`
const NO_SPACE =
  /could not be loaded: .*No space left on device[\s\S]*hint: free some space on the server/
const AWAY =
  '(cannot see how pg_dump in web ended: the engine|the connection to pg_dump in web was cut)'
const KILLED = 'pg_dump in web was killed: its container was stopped or removed'
const ENDED =
  /could not be loaded: .*(No space left on device[\s\S]*hint: free some space|(closed the|terminating) connection[\s\S]*hint: the server ended .* how full its disk is)/
const BESIDE = /^shop__restoring_/
const DIGEST = `select count(*), md5(string_agg(md5(t::text), '' order by n)) from t`

/** A server with a database of 5 MiB, whose log lies on a disk of its own, in files of 1 MiB. */
async function startCramped(): Promise<void> {
  const mounts = [`--volume=${data.path}:${DATA}`, `--volume=${wal.path}:/wal`]
  const settings = ['-c', 'fsync=off', '-c', 'wal_recycle=off']
  const files = ['-e', 'POSTGRES_INITDB_ARGS=--wal-segsize=1']
  await docker.run(
    '--name=cramped',
    ...ENVIRONMENT,
    ...files,
    ...mounts,
    'postgres:15',
    ...settings,
  )
  await untilReady('cramped')
  await docker.docker('stop', 'cramped')
  const log = join(data.path, 'pg_wal')
  await call('cp', ['-a', log, wal.path])
  await rm(log, { recursive: true })
  await symlink('/wal/pg_wal', log)
  await docker.docker('start', 'cramped')
  await untilReady('cramped')
  await psql('cramped', 'shop', ROWS)
}

async function runWeb(): Promise<void> {
  const words = ['--name=web', `--volume=web:${DATA}`, ...ENVIRONMENT]
  await docker.run(...words, 'postgres:15', '-c', 'fsync=off')
  await untilReady('web')
}

/** A server whose dump has megabytes before it comes to values that lie beside their table. */
async function startWeb(): Promise<void> {
  await runWeb()
  await psql(
    'web',
    'shop',
    `${ROWS}; create table u (text text); alter table u alter text set storage external;
    insert into u select string_agg(text, '') from t where n <= 10`,
  )
}

/** Leaves a disk so many bytes. */
async function leave(disk: Mounted, bytes: number): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(disk.path)
  await resizeTmpfs(disk, (blocks - bavail) * bsize + bytes)
}

function configOf(source: string): string {
  return [
    'data_dir: ./state',
    `docker: { host: "${docker.host}", discover: false }`,
    'targets: { shelf: { type: local, path: ./shelf } }',
    `jobs: { db: { sources: [{ type: postgres, ${source} }] } }`,
  ].join('\n')
}

async function databases(container: string): Promise<readonly string[]> {
  const names = 'select datname from pg_database where not datistemplate order by 1'
  return (await psql(container, 'postgres', names)).split('\n')
}

/** Status and error of each restore. */
async function restoresOf(work: Workspace) {
  return await inWorld(work, async ({ store }) => {
    const { restores } = await store.history({ depth: 'full', jobs: null })
    return restores.map(({ status, error }) => [status, error])
  })
}

/** What `backup list` tells of each, the newest first. */
async function backupsOf(work: Workspace) {
  const { document } = await work.ok(['backup', 'list', '--json'])
  return document.backups.map(({ status, error }: Document) => [status, error])
}

const startedAt = () => docker.docker('inspect', '--format', '{{.State.StartedAt}}', 'cramped')

describe('a restore into a container', () => {
  it('whose disk is full fails with the cause, leaves nothing, and leaves the server up', async () => {
    await using work = await makeWorkspace(configOf('container: cramped'))
    await work.ok(['backup', 'create'])
    const before = await psql('cramped', 'shop', DIGEST)
    const since = await startedAt()
    await psql('cramped', 'shop', 'checkpoint')
    // To make a database takes two of them; its pages are holes until then.
    await leave(data, 4 * MIB)
    const full = await work.run(['restore', 'db', '--yes'])
    expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(NO_SPACE)])
    // Before there is more room: a checkpoint on a full disk is its end.
    await psql('cramped', 'shop', 'checkpoint')
    expect(await databases('cramped')).toEqual(['postgres', 'shop'])
    expect(await psql('cramped', 'shop', DIGEST)).toEqual(before)
    expect([await stateOf(docker, 'cramped'), await startedAt()]).toEqual(['running', since])
    expect(await restoresOf(work)).toEqual([['failed', expect.stringMatching(/No space left/)]])
    await resizeTmpfs(data, 200 * MIB)
  })

  it('whose server ends over a full disk fails with the cause, and what it left goes once the server is back', async () => {
    await using work = await makeWorkspace(configOf('container: cramped'))
    await work.ok(['backup', 'create'])
    const before = await psql('cramped', 'shop', DIGEST)
    // Nobody keeps a file open any more that is gone: what is free stays so.
    await docker.docker('restart', 'cramped')
    await untilReady('cramped')
    // To make a database takes four of them, and to fill it five.
    await leave(wal, 6 * MIB)
    const { code, stderr } = await work.run(['restore', 'db', '--yes'])
    // Whichever of its processes comes to need the room first is the one that may say so.
    expect([code, stderr]).toEqual([1, expect.stringMatching(ENDED)])
    expect(stderr).toMatch(/warn: could not remove yet what the restore of .* had staged/)
    expect(await restoresOf(work)).toEqual([['failed', expect.stringMatching(/not be loaded/)]])
    // Its own end, not ours: nobody restarts it for its owner.
    const isOver = async () => (await stateOf(docker, 'cramped')) === 'exited'
    await vi.waitUntil(isOver, { timeout: 60_000, interval: 50 })
    expect((await work.run(['state', 'adopt'])).stderr).toMatch(/could not remove yet/)
    await resizeTmpfs(wal, 200 * MIB)
    await docker.docker('start', 'cramped')
    await untilReady('cramped')
    expect(await databases('cramped')).toEqual(['postgres', 'shop', expect.stringMatching(BESIDE)])
    await work.ok(['state', 'adopt'])
    expect(await databases('cramped')).toEqual(['postgres', 'shop'])
    expect((await work.run(['state', 'adopt'])).stderr).toBe('')
    expect(await psql('cramped', 'shop', DIGEST)).toEqual(before)
    expect(await restoresOf(work)).toHaveLength(1)
  })

  it('that lacks an owner fails with a hint and leaves nothing, until the roles are there', async () => {
    const options = 'container: web, databases: [owned], globals: true'
    await using work = await makeWorkspace(configOf(options))
    await psql('web', 'shop', 'create role keeper')
    await psql('web', 'shop', 'create database owned owner keeper')
    await psql('web', 'owned', 'create table t as select 1 as id; alter table t owner to keeper')
    await work.ok(['backup', 'create'])
    await psql('web', 'shop', 'drop database owned')
    await psql('web', 'shop', 'drop role keeper')
    // The owner of the database itself, then of what is in it.
    for (const there of [[], ['owned']]) {
      for (const name of there) await psql('web', 'shop', `create database ${name}`)
      await expect(work.ok(['restore', 'db/owned', '--yes'])).rejects.toThrow(
        /ended with 1:[\s\S]*role "keeper" does not exist[\s\S]*hint: restore the roles first/,
      )
      expect(await databases('web')).toEqual([...there, 'postgres', 'shop'])
    }
    expect((await work.ok(['restore', 'db/globals', '--yes'])).stdout).toMatch(/roles: 1 made/)
    await work.ok(['restore', 'db/owned', '--yes'])
    const owner = `select tableowner from pg_tables where tablename = 't'`
    expect(await psql('web', 'owned', owner)).toBe('keeper')
  })
})

describe('a dump out of a container, megabytes of which have come', () => {
  const up = async () => {
    await docker.docker('start', 'web')
    await untilReady('web')
  }
  it.each([
    ['whose engine is killed', () => docker.kill(), AWAY, () => docker.start().then(up)],
    ['that is killed', () => docker.docker('kill', 'web'), KILLED, up],
    ['that is removed', () => docker.docker('rm', '--force', 'web'), KILLED, runWeb],
  ] as const)(
    '%s is no backup, leaves nothing, and the next one is',
    async (_, strike, why, mend) => {
      await using work = await makeWorkspace(configOf('container: web'))
      const before = await work.files('shelf')
      // A value that lies beside its table is found by an index, which nobody locks before it is read.
      const index = await psql('web', 'shop', TOAST_INDEX)
      const hold = `begin; reindex index ${index}; select pg_sleep(600)`
      const holder = psql('web', 'shop', hold).catch(() => {})
      while ((await psql('web', 'shop', HELD)) !== '1') await sleep(20)
      const backup = work.start(['backup', 'create'])
      await backup.until(async () => (await psql('web', 'shop', WAITS)) === '1')
      await strike()
      const { code, stderr } = await backup.ended
      await holder
      await mend()
      const told = new RegExp(
        `backup of db/web failed: dump of shop on container web failed: ${why}`,
      )
      expect([code, stderr]).toEqual([1, expect.stringMatching(told)])
      expect(await backupsOf(work)).toEqual([['failed', expect.any(String)]])
      expect(await work.files('shelf')).toEqual(before)
      await work.ok(['backup', 'create'])
      expect((await backupsOf(work))[0]).toEqual(['success', null])
    },
  )
})
