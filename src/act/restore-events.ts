import type { Event, EventName } from '../core/event.ts'
import type { World } from '../observe/world.ts'
import type { Staged } from '../sources/source.ts'
import type { RestoreOrder } from './restore-order.ts'

/** Tells how much of the archive was read. */
export function progressOf({ archive }: RestoreOrder, world: World): (bytes: number) => void {
  return (bytes) =>
    world.progress({
      what: 'restore',
      subject: archive.name,
      bytes,
      total: archive.bytes,
      done: false,
    })
}

/** At boot nobody else tells what staging had to say. */
export function tellVerified(
  { summary, warnings }: Staged,
  order: RestoreOrder,
  world: World,
): void {
  const said = [`${order.archive.name} is whole and checked: ${summary}`, ...warnings].join('; ')
  const more = warnings.length === 0 ? {} : ({ level: 'warn', detail: { warnings } } as const)
  world.report({ ...eventOf('restore.verified', said, order), ...more })
}

/** One step of a restore. */
export function tell(event: EventName, message: string, order: RestoreOrder, world: World): void {
  world.report(eventOf(event, message, order))
}

function eventOf(event: EventName, message: string, { archive, place }: RestoreOrder): Event {
  return {
    event,
    level: 'info',
    message,
    key: archive.name,
    ...(place ? { job: place.job.id, source: place.source.name } : {}),
    ...(archive.target ? { target: archive.target } : {}),
    ...(archive.bytes === null ? {} : { bytes: archive.bytes }),
  }
}
