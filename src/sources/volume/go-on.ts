import {
  lookAtContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from '../../docker/containers.ts'
import type { Engine } from '../../docker/engine.ts'
import { scaleService } from '../../docker/services.ts'
import { isMissing } from '../../docker/trouble.ts'
import { messageOf } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'

/** Who was made to stand still, and how; a service of Swarm with the tasks that it had. */
export type Halted =
  | {
      readonly how: 'stop'
      readonly id: string
      readonly name: string
      /** Of the run that is stopped. */
      readonly startedAt: string
      /** Seconds from its stop signal to SIGKILL. */
      readonly grace: number
    }
  | { readonly how: 'pause'; readonly id: string; readonly name: string }
  | { readonly how: 'scale'; readonly name: string; readonly replicas: number }

/** What became of those that stood still. */
export interface GoneOn {
  readonly up: readonly Halted[]
  /** Removed meanwhile. */
  readonly gone: readonly Halted[]
  /** That do not go on yet, in the order given. */
  readonly left: readonly Halted[]
  /** The same in words, with why. */
  readonly failed: readonly string[]
}

/** Lets all go on, the oldest first. */
export async function goOn(engine: Engine, halted: readonly Halted[]): Promise<GoneOn> {
  const [up, gone, left]: readonly [Halted[], Halted[], Halted[]] = [[], [], []]
  const failed: string[] = []
  for (const one of halted.toReversed()) {
    try {
      await letGoOn(engine, one)
      up.push(one)
    } catch (error) {
      if (isMissing(error)) gone.push(one)
      else {
        left.unshift(one)
        failed.push(`${one.name}: ${messageOf(error)}`)
      }
    }
  }
  return { up, gone, left, failed }
}

/** For whoever reads of it. */
export function wordsOfGone(gone: readonly Halted[]): readonly string[] {
  return gone.map(({ name }) => `${name} was removed while it stood still`)
}

async function letGoOn(engine: Engine, one: Halted): Promise<void> {
  const { signal } = new AbortController()
  switch (one.how) {
    case 'stop':
      return await startAgain(engine, one)
    case 'pause':
      if ((await lookAtContainer(engine, one.id, signal)).state !== 'paused') return
      return await unpauseContainer(engine, one.id, signal)
    case 'scale':
      return await scaleService(engine, { service: one.name, replicas: one.replicas }, signal)
    default:
      return unreachable(one)
  }
}

/**
 * Starts a container that was told to stop. It may still be about it, told by somebody who died or gave
 * up waiting: started now, it would be running already, and down a moment later. So a run that is
 * still the one from before is stopped to its end first.
 */
async function startAgain(
  engine: Engine,
  { id, startedAt, grace }: Extract<Halted, { how: 'stop' }>,
): Promise<void> {
  const { signal } = new AbortController()
  const now = await lookAtContainer(engine, id, signal)
  if (now.state === 'running' && now.startedAt === startedAt) {
    await stopContainer(engine, id, { grace, signal })
  }
  await startContainer(engine, id, signal)
}
