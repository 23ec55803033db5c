import { deliverNotifications } from '../act/announce.ts'
import type { RestoreRequest } from '../core/observed.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { tellToUnset } from './boot.ts'
import type { Ambient } from './session.ts'
import type { Wake } from './wake.ts'

const REMIND_EVERY = 60 * 60_000

/** Delivery beside the passes, one round at a time: a channel that hangs delays no backup. */
export interface Post {
  deliver(): void
}

/** A post office for the world of the moment. */
export function createPost(world: () => World, lifetime: AbortSignal): Post {
  let underWay = false
  const round = async () => {
    try {
      await deliverNotifications(world(), lifetime)
    } catch (error) {
      if (lifetime.aborted) return
      const message = `could not look at the outbox: ${messageOf(error)}`
      world().report({ event: 'notify.failed', level: 'error', message, error: reportOf(error) })
    } finally {
      underWay = false
    }
  }
  return {
    deliver() {
      if (underWay) return
      underWay = true
      void round()
    },
  }
}

/** A backup that begins has put its start into the outbox: who watches the job hears of it at once. */
export function waking(ambient: Ambient, { wake }: Wake): Ambient {
  const report: Ambient['report'] = (event) => {
    ambient.report(event)
    if (event.event === 'backup.started') wake()
  }
  return { ...ambient, report }
}

/** Repeats the warning to unset the variable once an hour, when it is asked often enough. */
export function createReminder(request: RestoreRequest | null, world: () => World): () => void {
  let at = performance.now() + REMIND_EVERY
  return () => {
    if (!request || performance.now() < at) return
    at += REMIND_EVERY
    tellToUnset(request, world())
  }
}
