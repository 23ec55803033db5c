/*
 * How fast a PostgreSQL database is beside the script of an expert: `node bench/postgres.ts [--size 1GiB]
 * [--rounds 3]`. A real server, `pg_dump -Fc -Z0 | zstd -3` against an encrypted backup of ours, and
 * `age -d | zstd -d > file && pg_restore -j 2 file` into a new database against a restore of ours in the
 * place of the old one; in turn, medians. Ends with 1 when ours takes more than 1.15 times as long, or
 * the process of Holdfast more than 200 MB.
 */
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseSize } from '../src/lib/size.ts'
import { type PostgresServer, startPostgres } from '../test/services/postgres.ts'
import { HOLDFAST } from './contenders.ts'
import { type Follow, measure, median, type Usage } from './measure.ts'
import { outputOf, pipe } from './programs.ts'
import { renderTable } from './table.ts'

const MOST_TIMES = 1.15
const MOST_MEMORY = 200_000_000
const MIB = 2 ** 20
const BIN = '/usr/lib/postgresql/15/bin'
const JOBS = 2
/** What one row of the table below takes in a dump: 843 MiB were made of 1 GiB at 330. */
const ROW_BYTES = 270

interface Place {
  readonly server: PostgresServer
  readonly url: string
  readonly folder: string
  readonly recipient: string
  readonly config: string
}

/** One way to back the database up and to restore it. */
interface Way {
  readonly name: string
  readonly backups: Usage[]
  readonly restores: Usage[]
  backup(follow: Follow): Promise<void>
  restore(follow: Follow): Promise<void>
  /** Takes away what a restore has left. */
  clear(): Promise<void>
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: '1GiB' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const bytes = parseSize(values.size)
  if (bytes === null) throw new Error(`${values.size} is no size`)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-postgres-'))
  try {
    await using server = await startPostgres([
      'fsync=off',
      'max_wal_size=8GB',
      'shared_buffers=512MB',
    ])
    const place = await makePlace(server, folder, bytes)
    const ways = [script(place), holdfast(place)]
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const way of round % 2 === 0 ? ways : ways.toReversed()) await takeTurn(way, place)
    }
    process.exitCode = (await report(ways, place)) ? 0 : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makePlace(server: PostgresServer, folder: string, bytes: number): Promise<Place> {
  const url = await server.database()
  const rows = Math.round(bytes / ROW_BYTES / 2)
  for (const table of ['one', 'two']) {
    await server.ask(
      url,
      `create table ${table} (id bigint primary key, at timestamptz, name text, words text, amount numeric);
       insert into ${table} select n, '2026-01-01'::timestamptz + n * interval '1 second', md5(n::text),
         repeat(md5((n * 7)::text), 3) || md5((n * 13)::text) || md5((n * 17)::text) || md5((n * 19)::text), n * 1.25 from generate_series(1, ${rows}) n;
       create index ${table}_by_name on ${table} (name)`,
    )
  }
  const key = join(folder, 'age.key')
  await pipe([{ command: 'age-keygen', args: ['-o', key] }], () => {})
  const recipient = (await outputOf({ command: 'age-keygen', args: ['-y', key] })).trim()
  const config = join(folder, 'holdfast.yml')
  await writeFile(
    config,
    `data_dir: ${folder}/state
encryption: { recipients: [${recipient}], identity_file: ${key} }
targets: { shelf: { type: local, path: ${folder}/shelf } }
jobs: { db: { sources: [{ type: postgres, url: "${url}", jobs: ${JOBS} }] } }
`,
  )
  return { server, url, folder, recipient, config }
}

function script({ server, url, folder, recipient }: Place): Way {
  const [dump, sealed, plain] = ['a.zst', 'a.zst.age', 'a.dump'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const admin = url.replace(/[^/]*$/, 'postgres')
  const clear = async () => {
    await server.ask(admin, 'drop database if exists by_script')
    await rm(plain, { force: true })
  }
  return {
    name: 'script',
    backups: [],
    restores: [],
    async backup(follow) {
      const steps = [
        { command: join(BIN, 'pg_dump'), args: ['-Fc', '-Z0', url] },
        { command: 'zstd', args: ['-q', '-3', '-c'] },
      ]
      await into(dump, (output) => pipe(steps, follow, output))
    },
    async restore(follow) {
      const steps = [
        { command: 'age', args: ['-d', '-i', join(folder, 'age.key'), sealed] },
        { command: 'zstd', args: ['-q', '-d', '-c'] },
      ]
      await into(plain, (output) => pipe(steps, follow, output))
      await pipe(
        [{ command: join(BIN, 'createdb'), args: ['--maintenance-db', admin, 'by_script'] }],
        follow,
      )
      const args = ['-j', String(JOBS), '-d', url.replace(/[^/]*$/, 'by_script'), plain]
      await pipe([{ command: join(BIN, 'pg_restore'), args }], follow)
    },
    async clear() {
      await clear()
      const seal = { command: 'age', args: ['-r', recipient, dump] }
      await rm(sealed, { force: true })
      await into(sealed, (output) => pipe([seal], () => {}, output))
    },
  }
}

function holdfast({ server, url, config }: Place): Way {
  const run = (words: readonly string[], follow: Follow) =>
    pipe([{ command: HOLDFAST, args: [...words, '--config', config, '--quiet'] }], follow)
  const admin = url.replace(/[^/]*$/, 'postgres')
  return {
    name: 'holdfast',
    backups: [],
    restores: [],
    backup: (follow) => run(['backup', 'create', 'db'], follow),
    restore: (follow) => run(['restore', 'db', '--yes'], follow),
    async clear() {
      const old = await server.ask(
        admin,
        `select datname from pg_database where datname like '%\\_\\_before\\_%'`,
      )
      for (const name of old) await server.ask(admin, `drop database "${name}"`)
    },
  }
}

async function into(path: string, work: (output: number) => Promise<void>): Promise<void> {
  await using file = await open(path, 'w')
  await work(file.fd)
}

/** Nothing of the turn before is left to be written, and the database is in memory. */
async function settle({ server, url }: Place): Promise<void> {
  await server.ask(url, 'checkpoint')
  await pipe([{ command: 'sync', args: [] }], () => {})
  await server.ask(url, 'select sum(length(words)) from one')
  await server.ask(url, 'select sum(length(words)) from two')
}

async function takeTurn(way: Way, place: Place): Promise<void> {
  await settle(place)
  way.backups.push(await measure((follow) => way.backup(follow)))
  await way.clear()
  await settle(place)
  way.restores.push(await measure((follow) => way.restore(follow)))
  await way.clear()
}

/** Prints the table; whether ours is fast and small enough. */
async function report(ways: readonly Way[], { folder }: Place): Promise<boolean> {
  const plain = join(folder, 'report.dump')
  const steps = [{ command: 'zstd', args: ['-q', '-d', '-c', join(folder, 'a.zst')] }]
  await into(plain, (output) => pipe(steps, () => {}, output))
  const { size } = await stat(plain)
  const { size: stored } = await stat(join(folder, 'a.zst'))
  console.log(`${(size / MIB).toFixed(0)} MiB of dump`)
  console.log(
    renderTable(
      ways.map((way) => ({ ...way, stored })),
      size,
    ),
  )
  const seconds = (usages: readonly Usage[]) => median(usages.map((one) => one.seconds))
  const [theirs, ours] = ways
  if (!theirs || !ours) throw new Error('two ways are compared')
  const peak = Math.max(...[...ours.backups, ...ours.restores].map(({ mainPeak }) => mainPeak))
  return (
    seconds(ours.backups) <= MOST_TIMES * seconds(theirs.backups) &&
    seconds(ours.restores) <= MOST_TIMES * seconds(theirs.restores) &&
    peak <= MOST_MEMORY
  )
}

await main()
