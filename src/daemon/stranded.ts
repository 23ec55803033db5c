import { announceOther } from '../act/announce.ts'
import type { InstanceSeen } from '../core/fleet.ts'
import type { Instant, Restore, RestoreId } from '../core/model.ts'
import { Failure, reportOf } from '../lib/errors.ts'
import { iso } from '../lib/time.ts'
import type { World } from '../observe/world.ts'

/*
 * A restore that was cut short is about paths of the host that began it, and only an instance with
 * the same data_dir puts it in order. Until then its source is not backed up: the data may be half
 * of each. One whose host stays away is stranded, which is told once; a person may abandon it.
 */

/** An instance may be started again for so long after its last sign of life: 10 minutes. */
const AWAY = 10 * 60_000

/** Whether the restore was begun on this host. What was begun before marks were kept goes by the instance's name. */
export async function isOfThisHost(
  { home, instance }: Restore,
  { fleet }: World,
): Promise<boolean> {
  if (fleet === null) return true
  if (home !== null) return home === (await fleet.home())
  const { name } = fleet.self()
  return (await fleet.instances()).some((one) => one.id === instance && one.name === name)
}

/** Tells of a restore of another host once in a deployment, when that host stays away. Under the lease of recoveries. */
export async function tellStranded(restore: Restore, world: World): Promise<void> {
  const { fleet, store, now } = world
  // A command would tell whoever happens to sit there, and nobody else after.
  if (fleet?.self().kind !== 'daemon') return
  if ((await store.fact(strandedFact(restore.id))) !== null) return
  const who = await instanceOf(restore, world)
  const theirs = now() - (fleet.clock()?.by ?? 0)
  if (theirs - (who?.until ?? restore.startedAt) < AWAY) return
  const failure = strandedFailure(restore, who)
  const { key, job, source } = restore
  world.report({
    event: 'restore.stranded',
    level: 'error',
    message: failure.message,
    key,
    ...(job === null ? {} : { job }),
    ...(source === null ? {} : { source }),
    error: reportOf(failure),
    detail: { restore: restore.id, instance: who?.name ?? restore.instance, host: who?.host },
  })
  await announce(restore, failure, world)
  await store.saveFact(strandedFact(restore.id), new Date(now()).toISOString())
}

async function announce(restore: Restore, failure: Failure, world: World): Promise<void> {
  const { job, source, target, key, backup } = restore
  if (job === null || !restore.inPlace) return
  const news = {
    type: 'restore.stranded',
    title: `Restore cut short: ${restore.to}`,
    message: failure.hint === null ? failure.message : `${failure.message}; ${failure.hint}`,
    source,
    target,
    backupId: backup,
    key,
    error: failure.message,
  } as const
  await announceOther('failure', job, news, world)
}

function strandedFailure(restore: Restore, who: InstanceSeen | null): Failure {
  const then = restore.inPlace ? ': its source is not backed up meanwhile' : ''
  const message = `the restore of ${restore.key} into ${restore.to} was cut short on ${placeWords(restore, who)}, and has to be put in order there${then}`
  return new Failure('restore_stranded', message, {
    hint: `start Holdfast there with the same data_dir; if that host is gone for good: holdfast restore --abandon ${restore.id} --reason "…"`,
  })
}

/** Who began a restore, as far as the state still knows. */
export async function instanceOf(
  { instance }: Restore,
  { fleet }: World,
): Promise<InstanceSeen | null> {
  const all = (await fleet?.instances()) ?? []
  return all.find(({ id }) => id === instance) ?? null
}

/** Where a restore was begun, for people. */
export function placeWords({ instance }: Restore, who: InstanceSeen | null): string {
  if (who === null) return `a host that is not known any more (instance ${instance})`
  const { name, host, pid, until } = who
  return `${host} (instance ${name}, pid ${pid}, gone since ${iso(until)})`
}

/** What is known of a restore that a person abandoned, for its host when it comes back. */
export interface Abandoned {
  readonly restore: Restore
  /** Of the instance that began it; null where nobody remembers. */
  readonly name: string | null
  readonly at: Instant
}

/** Null unless somebody abandoned it. */
export async function abandonedOf(id: RestoreId, { store }: World): Promise<Abandoned | null> {
  const fact = await store.fact(abandonedFact(id))
  return fact === null ? null : (JSON.parse(fact) as Abandoned)
}

/** Whether its host is this one. */
export async function isAbandonedHere(
  { restore, name }: Abandoned,
  { fleet }: World,
): Promise<boolean> {
  // Of one that shares no state any more nobody can tell.
  if (fleet === null) return false
  return restore.home === null ? name === fleet.self().name : restore.home === (await fleet.home())
}

export async function saveAbandoned(abandoned: Abandoned, { store }: World): Promise<void> {
  await store.saveFact(abandonedFact(abandoned.restore.id), JSON.stringify(abandoned))
}

/** Once a restore is settled, nothing is left to be said of it. */
export async function forgetStranded(id: RestoreId, { store }: World): Promise<void> {
  await store.saveFact(strandedFact(id), null)
}

/** Its host has put in order what it had begun. */
export async function forgetAbandoned(id: RestoreId, { store }: World): Promise<void> {
  await store.saveFact(abandonedFact(id), null)
}

function strandedFact(id: RestoreId): string {
  return `restore.stranded:${id}`
}

/** Key of the fact that a person abandoned that restore. */
export function abandonedFact(id: RestoreId): string {
  return `restore.abandoned:${id}`
}
