import { isTrue } from '../../core/persistence.ts'
import {
  type Container,
  listContainers,
  lookAtContainer,
  pauseContainer,
  stopContainer,
} from '../../docker/containers.ts'
import { isMissing } from '../../docker/trouble.ts'
import { EngineRefused, messageOf, SourceFailed } from '../../lib/errors.ts'
import { formatDuration } from '../../lib/time.ts'
import type { SourceContext } from '../source.ts'
import { aloneWith } from './alone.ts'
import type { Debts } from './debts.ts'
import { goOn, type Halted, wordsOfGone } from './go-on.ts'
import { scaleDown, servicesOf, untilGone } from './halt-services.ts'
import type { Place } from './place.ts'
import { usersOf, usersUp } from './users.ts'

/** Containers that stand still for a while. */
export interface Halt {
  /** Lets them go on; doing so twice harms nothing. Never throws. */
  resume(): Promise<Resumed>
}

export interface Resumed {
  /** Names of those that stood still, sorted. */
  readonly stopped: readonly string[]
  readonly paused: readonly string[]
  /** Milliseconds, from before the first stood still until after the last went on. */
  readonly downtime: number
  /** In words, for those that do not run again. */
  readonly warnings: readonly string[]
}

export interface Halting {
  readonly place: Place
  /** What is done with all users; null: what their labels ask for. */
  readonly how: 'stop' | 'pause' | null
  readonly context: SourceContext
  readonly debts: Debts
}

const NOBODY: Resumed = { stopped: [], paused: [], downtime: 0, warnings: [] }
const SERVICE = 'com.docker.swarm.service.name'

/**
 * Waits until nobody else brings users of that engine to a stand, and keeps others from it: who stands
 * still for another volume is not up, and will be before this one is read. Null where nobody has to.
 */
export async function turnToHalt(
  halting: Halting,
  signal: AbortSignal,
): Promise<AsyncDisposableStack | null> {
  if (!(await isAsked(halting, signal))) return null
  const turn = new AsyncDisposableStack()
  turn.use(await aloneWith('halts', halting.place.engine, halting.context, signal))
  return turn
}

/**
 * Brings to a stand what lives and has the volume, in its turn. Whom that hits is kept before it
 * happens, so that a death of ours leaves nobody standing; whoever stood still already is none of our
 * business.
 */
export async function halt(
  halting: Halting,
  turn: AsyncDisposableStack | null,
  signal: AbortSignal,
): Promise<Halt> {
  const { place, context, debts } = halting
  const { volume } = place
  if (turn === null) return { resume: async () => NOBODY }
  await using stack = turn
  const halted = await chosen(halting, signal)
  if (halted.length > 0) await debts.oweHalted(halted)
  // Kept with nobody up, too: who stands still for a process that died is not to go on amid this.
  const hold = stack.move()
  const began = performance.now()
  let resumed: Promise<Resumed> | null = null
  const halt: Halt = {
    resume: () => (resumed ??= resume(halting, halted, began).finally(() => hold.disposeAsync())),
  }
  if (halted.length === 0) return halt
  try {
    await Promise.all(halted.map((one) => still(place, one, signal)))
  } catch (error) {
    await halt.resume()
    signal.throwIfAborted()
    throw new SourceFailed(
      `cannot bring to a stand what uses volume ${volume.name}: ${messageOf(error)}`,
      { at: volume.name, cause: error },
    )
  }
  const did = inWords(halted, { stop: 'stopped', pause: 'paused' })
  context.tell?.('source.halted', `${did} for volume ${volume.name}`, {
    containers: namesOf(halted),
  })
  return halt
}

async function resume(
  { place, context, debts }: Halting,
  halted: readonly Halted[],
  began: number,
): Promise<Resumed> {
  const names = namesOf(halted)
  if (names.length === 0) return NOBODY
  const { up, gone, left, failed } = await goOn(place.engine, halted)
  // What could not be done is still owed.
  await debts.oweHalted(left).catch(() => {})
  const downtime = Math.round(performance.now() - began)
  const detail = { containers: names, downtimeMs: downtime }
  const removed = wordsOfGone(gone)
  if (failed.length === 0) {
    const again = inWords(up, { stop: 'started', pause: 'unpaused' })
    const all = [...(again === '' ? [] : [again]), ...removed].join('; ')
    context.tell?.('source.resumed', `${all} after ${formatDuration(downtime)}`, detail)
  } else {
    const message = `not all that stood still for volume ${place.volume.name} goes on, which is tried again: ${failed.join('; ')}`
    context.tell?.('source.resumed', message, detail, 'error')
  }
  return {
    stopped: namesOf(halted.filter((one) => !isPaused(one))),
    paused: namesOf(halted.filter(isPaused)),
    downtime,
    warnings: [...failed.map((why) => `does not run again: ${why}`), ...removed],
  }
}

function namesOf(halted: readonly Halted[]): readonly string[] {
  return halted.map(({ name }) => name).toSorted()
}

function isPaused({ how }: Halted): boolean {
  return how === 'pause'
}

/** `stopped a, b; paused c`. */
function inWords(
  halted: readonly Halted[],
  verbs: { readonly stop: string; readonly pause: string },
): string {
  const stopped = namesOf(halted.filter((one) => !isPaused(one)))
  const paused = namesOf(halted.filter(isPaused))
  const said = (verb: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${verb} ${names.join(', ')}`]
  return [...said(verbs.stop, stopped), ...said(verbs.pause, paused)].join('; ')
}

/** Whether anybody may have to stand still: by the source, or by a label of one that has the volume. */
async function isAsked({ place, how }: Halting, signal: AbortSignal): Promise<boolean> {
  if (how !== null) return true
  const users = usersOf(await listContainers(place.engine, signal), place.volume.name)
  if (users.some((one) => askedBy(one) !== null)) return true
  const services = await servicesOf(place, signal)
  return services.some(({ taskLabels }) => askedBy({ labels: taskLabels }) !== null)
}

/** As the engine lists them: the one that came last stops first, and comes back last. */
async function chosen({ place, how }: Halting, signal: AbortSignal): Promise<readonly Halted[]> {
  const halted: Halted[] = []
  const tasked = new Set<string>()
  for (const one of await usersUp(place, signal)) {
    const asked = how ?? askedBy(one)
    const service = one.labels[SERVICE]
    if (asked === 'stop' && service !== undefined) tasked.add(service)
    if (asked === null || (asked === 'stop' && service !== undefined)) continue
    const found = await haltedOf(place, one, asked, signal)
    if (found) halted.push(found)
  }
  for (const { name, replicas, taskLabels } of await servicesOf(place, signal)) {
    if ((how ?? askedBy({ labels: taskLabels })) !== 'stop') continue
    if (replicas === null) {
      const hint = 'set pause: true, or run it as a service with replicas'
      throw new SourceFailed(`service ${name} runs on every machine and cannot be scaled`, { hint })
    }
    tasked.delete(name)
    // Scaled to nothing already, its tasks on their way out: that is how it is to stay.
    if (replicas === 0) await untilGone(place, name, signal)
    else halted.push({ how: 'scale', name, replicas })
  }
  const [far] = tasked
  if (far === undefined) return halted
  const hint = 'set pause: true, or back the volume up on a manager of the Swarm'
  throw new SourceFailed(`service ${far} cannot be scaled from ${place.engine.label}`, { hint })
}

/** Null for one that stands still already, in one way or another. */
async function haltedOf(
  { engine, settings }: Place,
  { id, name, state }: Container,
  asked: 'stop' | 'pause',
  signal: AbortSignal,
): Promise<Halted | null> {
  if (asked === 'pause') return state === 'running' ? { how: 'pause', id, name } : null
  if (state === 'paused') return null
  try {
    const { startedAt, isPassing } = await lookAtContainer(engine, id, signal)
    if (isPassing) throw passing(name)
    const grace = Math.ceil(settings.stopTimeout / 1000)
    return { how: 'stop', id, name, startedAt, grace }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function passing(name: string): SourceFailed {
  return new SourceFailed(`${name} was started with --rm: stopped, it would be gone`, {
    at: name,
    hint: 'set pause: true instead of stop, or start it without --rm',
  })
}

/** What the labels of a container want; docker-volume-backup's takes any name for yes. */
function askedBy({ labels }: Pick<Container, 'labels'>): 'stop' | 'pause' | null {
  const theirs = labels['docker-volume-backup.stop-during-backup']
  if (isTrue(labels['holdfast.stop'])) return 'stop'
  if (isTrue(labels['holdfast.pause'])) return 'pause'
  return theirs !== undefined && isTrue(theirs) !== false ? 'stop' : null
}

async function still(place: Place, one: Halted, signal: AbortSignal): Promise<void> {
  const { engine } = place
  if (one.how === 'scale') return await scaleDown(place, one.name, signal)
  try {
    if (one.how === 'stop') await stopContainer(engine, one.id, { grace: one.grace, signal })
    else await pauseContainer(engine, one.id, signal)
  } catch (error) {
    // Removed meanwhile, or ended by itself: it stands still enough.
    const ended = one.how === 'pause' && error instanceof EngineRefused && error.status === 409
    if (!isMissing(error) && !ended) throw error
  }
}
