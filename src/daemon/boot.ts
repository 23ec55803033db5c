import { setTimeout as sleep } from 'node:timers/promises'
import { sayFarewell } from '../act/announce.ts'
import { type PlacedOrder, resolveRequest } from '../act/resolve-request.ts'
import { restoreAndTell } from '../act/restore-and-tell.ts'
import type { Desired, Instant } from '../core/model.ts'
import type { RestoreRequest } from '../core/observed.ts'
import { hold } from '../leases/lease.ts'
import { BootRestoreFailed, messageOf, RestoreFailed, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { createPlacing } from './placing.ts'

/** Variables that ask for a restore at boot; the first that is set and not empty counts. */
export const RESTORE_VARIABLES = ['HQL_BACKUP_RESTORE', 'HOLDFAST_RESTORE'] as const

/** The one that Hiqlite reads as well. */
export const [HIQLITES_OWN] = RESTORE_VARIABLES

const LOOK_AGAIN = 1000
const WAIT_AT_MOST = 60 * 60_000

/** What the environment asks for, or null. Both set to different values is refused: nobody can tell which is meant. */
export function requestedRestore(
  env: Readonly<Record<string, string | undefined>>,
): RestoreRequest | null {
  const set = RESTORE_VARIABLES.flatMap((variable) => {
    const value = env[variable]
    return value ? [{ variable, value }] : []
  })
  const [first, second] = set
  if (first && second && first.value !== second.value) {
    throw new RestoreFailed(`${first.variable} and ${second.variable} ask for different restores`, {
      hint: `unset one of them`,
    })
  }
  return first ?? null
}

/**
 * Does the restore that the environment asks for, before anything is scheduled. Gives what Hiqlite's
 * own variable must tell the program that owns the data, where that has to finish it, else null.
 * Throws `BootRestoreFailed` when it cannot be understood or done: the data is then untouched and
 * the start must stop.
 */
export async function bootRestore(
  request: RestoreRequest,
  world: World,
  signal: AbortSignal,
): Promise<string | null> {
  const about = { detail: { variable: request.variable } }
  world.report({
    event: 'restore.requested',
    level: 'warn',
    message: `${request.variable} asks for a restore of ${request.value}`,
    ...about,
  })
  try {
    const began = world.now()
    const order = await resolveRequest(request.value, world, signal)
    if (!(await createPlacing().settle(order.place.job.id, world))) {
      return tellSkipped(request, order, 'belongs to a job of another instance', world)
    }
    return await underLease(order.place.job.id, world, signal, async (held, how) => {
      // Whoever held it may have made a newer backup, or done this very restore.
      const fresh = how === 'at-once' ? order : await resolveRequest(request.value, world, held)
      if (how === 'after-another' && (await isRestored(fresh, began, world))) {
        return tellSkipped(request, fresh, 'was restored by another instance just now', world)
      }
      return await restoreUnlessDone({ request, order: fresh }, world, held)
    })
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error
    world.report({
      event: 'restore.failed',
      level: 'error',
      message: `the restore that ${request.variable} asks for failed: ${messageOf(cause)}`,
      error: reportOf(cause),
      ...about,
    })
    await sayFarewell(world) // the start stops here
    throw signal.aborted ? cause : new BootRestoreFailed(cause)
  }
}

interface Asked {
  readonly request: RestoreRequest
  readonly order: PlacedOrder
}

/** The restore under its lease, or `restore.skipped` where it is to be done once and was done. */
async function restoreUnlessDone(
  { request, order }: Asked,
  world: World,
  signal: AbortSignal,
): Promise<string | null> {
  const { archive, place } = order
  const about = { key: archive.name, detail: { variable: request.variable } }
  const once = `restore.once:${archive.sha256}`
  if (world.desired.restore.once && (await world.store.fact(once)) !== null) {
    return tellSkipped(request, order, 'was restored before and restore.once is set', world)
  }
  const began = world.now()
  const { staged } = await restoreAndTell(order, world, signal)
  // Prepared for another program to take, it is not done yet: a start that never got there must find it again.
  if (staged.handOver === undefined) {
    await world.store.saveFact(once, new Date(world.now()).toISOString())
  }
  world.report({
    event: 'restore.done',
    level: 'info',
    message: `restored ${archive.name} into ${place.job.id}/${place.source.name}`,
    job: place.job.id,
    source: place.source.name,
    durationMs: world.now() - began,
    ...about,
  })
  const handOver = staged.handOver ?? null
  tellToUnset(request, world, handOver)
  return handOver
}

function tellSkipped(
  { variable }: RestoreRequest,
  { archive }: PlacedOrder,
  why: string,
  world: World,
): null {
  world.report({
    event: 'restore.skipped',
    level: 'warn',
    message: `${archive.name} ${why}: starting without`,
    key: archive.name,
    detail: { variable },
  })
  return null
}

/** Whether this archive was put in its place since: by one of several that were asked for it at once. */
async function isRestored(
  { archive, place }: PlacedOrder,
  since: Instant,
  { store, fleet }: World,
): Promise<boolean> {
  if (fleet === null) return false
  const { restores } = await store.history({ depth: 'recent', jobs: [place.job.id] })
  return restores.some(
    ({ status, inPlace, sha256, finishedAt }) =>
      status === 'success' && inPlace && sha256 === archive.sha256 && (finishedAt ?? 0) >= since,
  )
}

/** What a restart does while the variable stays set. */
export function onRestart({ restore }: Desired): string {
  return restore.once
    ? 'only restore.once keeps each restart from applying the same backup again'
    : 'each restart will apply the same backup again'
}

/** The warning of DESIGN §6, repeated while the variable is set. */
export function tellToUnset(
  { variable }: RestoreRequest,
  world: World,
  handOver: string | null = null,
): void {
  const next =
    handOver === null
      ? ''
      : `; Hiqlite itself has to be started with ${HIQLITES_OWN}=${handOver}, once`
  world.report({
    event: 'restore.unset_env',
    level: 'warn',
    message: `${variable} MUST be removed from the environment now: ${onRestart(world.desired)}${next}`,
    detail: { variable, ...(handOver === null ? {} : { handOver }) },
  })
}

/** One instance restores; another that asks for the same waits, and says so once. */
async function underLease<T>(
  job: string,
  world: World,
  signal: AbortSignal,
  work: (held: AbortSignal, how: 'at-once' | 'after-another') => Promise<T>,
): Promise<T> {
  let how: 'at-once' | 'after-another' = 'at-once'
  const until = performance.now() + WAIT_AT_MOST
  for (;;) {
    const turn = await hold(world.leases, `job:${job}`, signal, (_lease, held) => work(held, how))
    if (turn.kind === 'held') return turn.value
    how = 'after-another'
    if (performance.now() > until)
      throw new RestoreFailed(`job ${job} is still held by ${turn.holder}`)
    if (world.news('restore.waiting', turn.holder)) {
      world.report({
        event: 'restore.waiting',
        level: 'warn',
        message: `waiting for ${turn.holder}, who holds job ${job}`,
        job,
      })
    }
    await sleep(LOOK_AGAIN, undefined, { signal })
  }
}
