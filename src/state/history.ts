import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { Backup, Copy, GroupId, JobId, Restore, Run } from '../core/model.ts'
import type { History } from '../core/observed.ts'
import type { Engine } from './engine.ts'
import { restoreOf } from './restore-rows.ts'
import {
  BACKUP_COLUMNS,
  backupOf,
  COPY_COLUMNS,
  copyOf,
  type Row,
  RUN_COLUMNS,
  runOf,
} from './rows.ts'
import type { HistoryQuery } from './store.ts'
import type { Tables } from './tables.ts'

/** How many of each series a `recent` history holds. */
const RECENT = 20
/** Values in one `in (…)`: both databases take more. */
const AT_ONCE = 5000

type Tx = Transaction<Tables>

/** One look at the state, within one transaction. */
interface Look {
  readonly engine: Engine
  readonly tx: Tx
}

/** The history that `query` asks for, as of one moment. */
export async function readHistory(engine: Engine, tx: Tx, query: HistoryQuery): Promise<History> {
  const look = { engine, tx }
  const jobs = query.jobs && [...query.jobs, ...(await jobsWithCopies(look, query.groups ?? []))]
  return query.depth === 'full' ? fullHistory(look, jobs) : recentHistory(look, jobs)
}

/** Along the index of complete copies, so that the cost goes with the groups and not with the history. */
async function jobsWithCopies(look: Look, groups: readonly GroupId[]): Promise<readonly JobId[]> {
  if (groups.length === 0) return []
  const query = sql`
    select distinct b.job from copies as c join backups as b on b.id = c.backup
    where c.status = 'complete' and c.group_id in (${sql.join(groups)})`
  return await select(look, query, ([job]) => job as JobId)
}

async function fullHistory(look: Look, jobs: Jobs): Promise<History> {
  const runs = sql`
    select ${listed('r', RUN_COLUMNS)} from runs as r where ${among('r.job', jobs)}`
  const backups = sql`
    select ${listed('b', BACKUP_COLUMNS)} from backups as b where ${among('b.job', jobs)}`
  const copies =
    jobs === null
      ? sql`select ${listed('c', COPY_COLUMNS)} from copies as c`
      : sql`select ${listed('c', COPY_COLUMNS)} from backups as b
        join copies as c on c.backup = b.id where ${among('b.job', jobs)}`
  return {
    depth: 'full',
    runs: await select(look, runs, runOf),
    backups: await select(look, backups, backupOf),
    copies: await select(look, copies, copyOf),
    restores: await readRestores(look.tx, jobs, sql`1 = 1`),
  }
}

async function recentHistory(look: Look, jobs: Jobs): Promise<History> {
  const backups = new Map<string, Backup>()
  for (const query of [newestBackups(look.engine, jobs), openBackups(jobs)]) {
    for (const backup of await select(look, query, backupOf)) backups.set(backup.id, backup)
  }
  const copies = await recentCopies(look)
  const unknown = copies.map(({ backup }) => backup).filter((id) => !backups.has(id))
  for (const ids of chunks(unknown)) {
    const query = sql`
      select ${listed('b', BACKUP_COLUMNS)} from backups as b where b.id in (${sql.join(ids)})`
    for (const backup of await select(look, query, backupOf)) {
      if (jobs === null || jobs.includes(backup.job)) backups.set(backup.id, backup)
    }
  }
  const owed = sql`(status = 'running' or (in_place = 1 and released = 0))`
  return {
    depth: 'recent',
    runs: await recentRuns(look, jobs),
    backups: [...backups.values()],
    // A copy goes with its backup: those of jobs not asked for fall out here.
    copies: copies.filter(({ backup }) => backups.has(backup)),
    restores: await readRestores(look.tx, jobs, owed),
  }
}

async function recentCopies(look: Look): Promise<readonly Copy[]> {
  const copies = new Map<string, Copy>()
  for (const query of [
    newestCopies(look.engine, sql`status = 'complete'`),
    newestCopies(look.engine, sql`status = 'complete' and verify = 'ok'`),
    writingCopies(),
    copiesOfOpenBackups(),
  ]) {
    for (const copy of await select(look, query, copyOf)) {
      copies.set(`${copy.backup}\n${copy.target}`, copy)
    }
  }
  return [...copies.values()]
}

async function recentRuns(look: Look, jobs: Jobs): Promise<readonly Run[]> {
  const runs = new Map<string, Run>()
  const newest = sql`
    with recursive series (job) as (
      select min(job) from runs
      union all
      select (select min(later.job) from runs as later where later.job > series.job)
      from series where series.job is not null)
    select ${listed('r', RUN_COLUMNS)} from ${look.engine.joinEach({
      left: 'series',
      table: 'runs as r',
      key: 'r.id',
      ids: sql`
        select n.id from runs as n where n.job = series.job
        order by n.started_at desc limit ${sql.lit(RECENT)}`,
    })}
    where ${among('series.job', jobs)}`
  const open = sql`
    select ${listed('r', RUN_COLUMNS)} from runs as r
    where r.status = 'running' and ${among('r.job', jobs)}`
  for (const query of [newest, open]) {
    for (const run of await select(look, query, runOf)) runs.set(run.id, run)
  }
  return [...runs.values()]
}

/**
 * The newest backups of each (job, source). The recursion hops from one pair to the next along the
 * index, so that the cost goes with the number of series and not with the length of the history.
 */
function newestBackups(engine: Engine, jobs: Jobs) {
  const next = engine.joinEach({
    left: 'series',
    table: 'backups as n',
    key: 'n.id',
    ids: sql`select coalesce(
      (select later.id from backups as later
        where later.job = series.job and later.source > series.source
        order by later.source limit 1),
      (select later.id from backups as later
        where later.job > series.job order by later.job, later.source limit 1))`,
  })
  const newest = engine.joinEach({
    left: 'series',
    table: 'backups as b',
    key: 'b.id',
    ids: sql`
      select n.id from backups as n where n.job = series.job and n.source = series.source
      order by n.started_at desc limit ${sql.lit(RECENT)}`,
  })
  return sql`
    with recursive series (job, source) as (
      select * from (select job, source from backups order by job, source limit 1) as earliest
      union all
      select n.job, n.source from ${next})
    select ${listed('b', BACKUP_COLUMNS)} from ${newest} where ${among('series.job', jobs)}`
}

function openBackups(jobs: Jobs) {
  return sql`
    select ${listed('b', BACKUP_COLUMNS)} from backups as b
    where b.status in ('pending', 'running') and ${among('b.job', jobs)}`
}

/** Of each (group, target) the newest copy that is `like`; hops along the partial index of `like`. */
function newestCopies(engine: Engine, like: RawBuilder<unknown>) {
  const next = (where: RawBuilder<unknown>, column: RawBuilder<unknown>) => sql`
    (select ${column} from copies where ${like} and ${where} order by group_id, target limit 1)`
  const sibling = sql`group_id = p.group_id and target > p.target`
  const further = sql`group_id > p.group_id`
  return sql`
    with recursive places (group_id, target) as (
      select * from (
        select group_id, target from copies where ${like} order by group_id, target limit 1) as earliest
      union all
      select
        case when ${next(sibling, sql`target`)} is null
          then ${next(further, sql`group_id`)} else p.group_id end,
        coalesce(${next(sibling, sql`target`)}, ${next(further, sql`target`)})
      from places as p where p.group_id is not null)
    select ${listed('c', COPY_COLUMNS)} from ${engine.joinEach({
      left: 'places as p',
      table: 'copies as c',
      key: 'c.backup',
      ids: sql`
        select backup from copies where ${like} and group_id = p.group_id and target = p.target
        order by taken_at desc limit 1`,
    })}
    where c.target = p.target`
}

function writingCopies() {
  return sql`select ${listed('c', COPY_COLUMNS)} from copies as c where c.status = 'writing'`
}

function copiesOfOpenBackups() {
  return sql`
    select ${listed('c', COPY_COLUMNS)} from backups as b cross join copies as c
    where b.status in ('pending', 'running') and c.backup = b.id`
}

async function readRestores(
  tx: Tx,
  jobs: Jobs,
  like: RawBuilder<unknown>,
): Promise<readonly Restore[]> {
  const query = sql<Tables['restores']>`
    select * from restores where ${like} and ${among('job', jobs)} order by started_at, id`
  return (await query.execute(tx)).rows.map(restoreOf)
}

type Jobs = readonly JobId[] | null

function among(column: string, jobs: Jobs): RawBuilder<boolean> {
  if (jobs === null) return sql<boolean>`1 = 1`
  return jobs.length === 0
    ? sql<boolean>`1 = 0`
    : sql<boolean>`${sql.ref(column)} in (${sql.join(jobs)})`
}

function listed(table: string, columns: readonly string[]): RawBuilder<unknown> {
  return sql.join(columns.map((column) => sql.ref(`${table}.${column}`)))
}

async function select<T>(
  { engine, tx }: Look,
  query: RawBuilder<unknown>,
  read: (row: Row) => T,
): Promise<readonly T[]> {
  return engine.rows(tx, query.compile(tx), read)
}

function chunks<T>(all: readonly T[]): readonly (readonly T[])[] {
  const unique = [...new Set(all)]
  return Array.from({ length: Math.ceil(unique.length / AT_ONCE) }, (_, index) =>
    unique.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
  )
}
