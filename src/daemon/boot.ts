import { setTimeout as sleep } from 'node:timers/promises'
import { sayFarewell } from '../act/announce.ts'
import { resolveRequest } from '../act/resolve.ts'
import { restoreAndTell } from '../act/restore-and-tell.ts'
import type { RestoreRequest } from '../core/observed.ts'
import { hold } from '../leases/lease.ts'
import { BootRestoreFailed, messageOf, RestoreFailed, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'

/** Variables that ask for a restore at boot; the first that is set and not empty counts. */
export const RESTORE_VARIABLES = ['HQL_BACKUP_RESTORE', 'HOLDFAST_RESTORE'] as const

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
 * Does the restore that the environment asks for, before anything is scheduled. Throws
 * `BootRestoreFailed` when it cannot be understood or done: the data is then untouched and the
 * start must stop.
 */
export async function bootRestore(
  request: RestoreRequest,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const about = { detail: { variable: request.variable } }
  world.report({
    event: 'restore.requested',
    level: 'warn',
    message: `${request.variable} asks for a restore of ${request.value}`,
    ...about,
  })
  try {
    const order = await resolveRequest(request.value, world, signal)
    const once = `restore.once:${order.archive.sha256}`
    if (world.desired.restore.once && (await world.store.fact(once)) !== null) {
      world.report({
        event: 'restore.skipped',
        level: 'warn',
        message: `${order.archive.name} was restored before and restore.once is set: starting without`,
        key: order.archive.name,
        ...about,
      })
      return
    }
    const began = world.now()
    await underLease(order.place.job.id, world, signal, (held) =>
      restoreAndTell(order, world, held),
    )
    await world.store.saveFact(once, new Date(world.now()).toISOString())
    world.report({
      event: 'restore.done',
      level: 'info',
      message: `restored ${order.archive.name} into ${order.place.job.id}/${order.place.source.name}`,
      job: order.place.job.id,
      source: order.place.source.name,
      key: order.archive.name,
      durationMs: world.now() - began,
      ...about,
    })
    tellToUnset(request, world)
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

/** The warning of DESIGN §6, repeated while the variable is set. */
export function tellToUnset(request: RestoreRequest, world: World): void {
  const why = world.desired.restore.once
    ? 'only restore.once keeps each restart from applying the same backup again'
    : 'each restart will apply the same backup again'
  world.report({
    event: 'restore.unset_env',
    level: 'warn',
    message: `${request.variable} MUST be removed from the environment now: ${why}`,
    detail: { variable: request.variable },
  })
}

/** One instance restores; another that asks for the same waits, and says so once. */
async function underLease<T>(
  job: string,
  world: World,
  signal: AbortSignal,
  work: (held: AbortSignal) => Promise<T>,
): Promise<T> {
  const until = performance.now() + WAIT_AT_MOST
  for (;;) {
    const turn = await hold(world.leases, `job:${job}`, signal, (_lease, held) => work(held))
    if (turn.kind === 'held') return turn.value
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
