import { declaredJob, type World } from '../observe/world.ts'
import type { Control } from './control.ts'
import type { Dispatch } from './dispatch.ts'

/** What a control needs of the world: the file as it runs, the state, and the clock. */
export type Governed = Pick<World, 'desired' | 'store' | 'now'>

/** Pauses, by daemon and command alike: rows of the state, which each pass of each instance reads. */
export function createPausing(
  world: () => Governed,
): Pick<Control, 'pause' | 'resume' | 'instances'> {
  return {
    async pause(subject, reason, author) {
      const { desired, store, now } = world()
      if (subject !== '*') declaredJob(desired, subject)
      const pause = { subject, reason, author, at: now() }
      await store.savePause(pause)
      return pause
    },
    async resume(subject) {
      const { desired, store } = world()
      const paused = await store.pauses()
      // One that is declared no more may still be paused.
      if (subject !== '*' && !paused.some((one) => one.subject === subject)) {
        declaredJob(desired, subject)
      }
      await store.removePause(subject)
    },
    instances: () => world().store.instances(),
  }
}

/** The control of a running daemon. */
export function createControl(
  world: () => Governed,
  dispatch: Pick<Dispatch, 'drain' | 'undrain'>,
): Control {
  return {
    ...createPausing(world),
    drain: (timeout) => dispatch.drain(timeout),
    undrain: async () => dispatch.undrain(),
  }
}
