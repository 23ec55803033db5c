import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { Instance, Pause } from '../core/fleet.ts'
import type { InstanceId, Instant, Millis } from '../core/model.ts'
import { type Engine, reading } from './engine.ts'
import { nextFence } from './fences.ts'
import type { Beat, FleetStore, HeldLease, LeaseHeld, LeaseTaken } from './fleet.ts'
import type { Tables } from './tables.ts'
import type { Write } from './write.ts'

/** Instances that ended without a word are remembered this long. */
const REMEMBERED = 24 * 60 * 60_000
/** Leases in one statement: SQLite reads no deeper expression than 1000. */
const AT_ONCE = 200

type Tx = Transaction<Tables>

/** Instances, leases and pauses of a store. */
export function fleetMethods(engine: Engine, write: Write): FleetStore {
  return {
    beat: (life, held, ttl) =>
      write('renew the leases', (tx) => beat(tx, engine, { life, held, ttl })),
    leave: (instance) =>
      write('take leave', async (tx) => {
        await tx.deleteFrom('leases').where('instance', '=', instance).execute()
        await tx.deleteFrom('instances').where('id', '=', instance).execute()
      }),
    instances: () => reading(engine, 'read who is there', (tx) => instances(tx, engine)),
    takeLease: (name, instance, ttl) =>
      write(`take the lease ${name}`, (tx) => takeLease(tx, engine, { name, instance, ttl })),
    dropLease: ({ name, fence }) =>
      write(`let go of the lease ${name}`, async (tx) => {
        await tx.deleteFrom('leases').where('name', '=', name).where('fence', '=', fence).execute()
      }),
    leases: () =>
      reading(engine, 'read the leases', async (tx) => {
        const rows = await tx
          .selectFrom('leases')
          .selectAll()
          .where('until', '>', engine.clock)
          .orderBy('name')
          .execute()
        return rows.map(({ name, fence, instance, until }) => ({
          name,
          fence,
          instance: instance as InstanceId,
          until: until as Instant,
        }))
      }),
    ...pauseMethods(engine, write),
  }
}

interface Beating {
  readonly life: Instance
  readonly held: readonly HeldLease[]
  readonly ttl: Millis
}

async function beat(tx: Tx, engine: Engine, { life, held, ttl }: Beating): Promise<Beat> {
  const now = await clock(tx, engine)
  const row = { body: JSON.stringify(life), until: now + ttl }
  await tx
    .insertInto('instances')
    .values({ id: life.id, ...row })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute()
  // Whose restore it was tells on which host it has to be put in order.
  const restoring = tx.selectFrom('restores').select('instance').where('status', '=', 'running')
  await tx
    .deleteFrom('instances')
    .where('until', '<', now - REMEMBERED)
    .where('id', 'not in', restoring)
    .execute()
  const ours: string[] = []
  for (const some of chunks(held, AT_ONCE)) {
    const renewed = await tx
      .updateTable('leases')
      .set({ until: now + ttl })
      .where('instance', '=', life.id)
      .where((where) => where.or(some.map(({ name, fence }) => where.and({ name, fence }))))
      .returning('name')
      .execute()
    ours.push(...renewed.map(({ name }) => name))
  }
  return { now, held: ours }
}

async function instances(tx: Tx, engine: Engine) {
  const now = await clock(tx, engine)
  const rows = await tx.selectFrom('instances').selectAll().execute()
  return rows
    .map(({ body, until }) => {
      const life = JSON.parse(body) as Instance
      return { ...life, until: until as Instant, isAlive: until > now }
    })
    .sort((a, b) => (`${a.name} ${a.id}` < `${b.name} ${b.id}` ? -1 : 1))
}

interface Taking {
  readonly name: string
  readonly instance: InstanceId
  readonly ttl: Millis
}

/**
 * Looked at first, because PostgreSQL locks a row that is in the way, and its holder's beat would wait.
 * Then one statement decides; the number is taken in the same transaction, and only by who got it.
 */
async function takeLease(tx: Tx, engine: Engine, taking: Taking): Promise<LeaseTaken | LeaseHeld> {
  const { name, instance } = taking
  do {
    const held = await tx
      .selectFrom('leases')
      .select(['instance', 'until'])
      .where('name', '=', name)
      .where('until', '>', engine.clock)
      .executeTakeFirst()
    if (held) {
      return { kind: 'held', instance: held.instance as InstanceId, until: held.until as Instant }
    }
  } while (!(await seize(tx, engine, taking)))
  const fence = await nextFence(tx, name, instance)
  await tx.updateTable('leases').set({ fence }).where('name', '=', name).execute()
  return { kind: 'taken', fence }
}

/** False when another was quicker. */
async function seize(tx: Tx, engine: Engine, { name, instance, ttl }: Taking): Promise<boolean> {
  const until = sql<number>`${engine.clock} + ${sql.lit(ttl)}`
  const got = await tx
    .insertInto('leases')
    .values({ name, instance, fence: 0, until })
    .onConflict((on) =>
      on
        .column('name')
        .doUpdateSet({ instance, fence: 0, until })
        .where('leases.until', '<=', engine.clock),
    )
    .returning('name')
    .executeTakeFirst()
  return got !== undefined
}

/** Milliseconds since 1970 by the clock of the database. */
async function clock(tx: Tx, engine: Engine): Promise<Instant> {
  const query: RawBuilder<{ now: number }> = sql`select ${engine.clock} as now`
  const { rows } = await query.execute(tx)
  return (rows[0]?.now ?? 0) as Instant
}

function pauseMethods(
  engine: Engine,
  write: Write,
): Pick<FleetStore, 'pauses' | 'savePause' | 'removePause'> {
  return {
    pauses: () => reading(engine, 'read what is paused', pausesIn),
    savePause: ({ subject, reason, author, at }) =>
      write(`pause ${subject}`, async (tx) => {
        const row = { reason, author, paused_at: at }
        await tx
          .insertInto('pauses')
          .values({ subject, ...row })
          .onConflict((on) => on.column('subject').doUpdateSet(row))
          .execute()
      }),
    removePause: (subject) =>
      write(`resume ${subject}`, async (tx) => {
        await tx.deleteFrom('pauses').where('subject', '=', subject).execute()
      }),
  }
}

function chunks<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  )
}

/** By subject. */
export async function pausesIn(tx: Tx): Promise<readonly Pause[]> {
  const rows = await tx.selectFrom('pauses').selectAll().orderBy('subject').execute()
  return rows.map(({ subject, reason, author, paused_at }) => ({
    subject: subject as Pause['subject'],
    reason,
    author,
    at: paused_at as Instant,
  }))
}
