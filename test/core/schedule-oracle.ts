import type { Instant } from '../../src/core/model.ts'

const MINUTE = 60_000
const QUARTER = 15 * MINUTE

/** Minutes, hours and days of the week on which a pattern fires. */
export interface Times {
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly weekdays: readonly number[]
}

export function cronOf({ minutes, hours, weekdays }: Times): string {
  const days = weekdays.length === 7 ? '*' : weekdays.join(',')
  return `${minutes.join(',')} ${hours.join(',')} * * ${days}`
}

/** What the wall clock of a zone shows at each quarter of an hour, read field by field from Intl. */
export function wallClock(timeZone: string, from: Instant, until: Instant): readonly number[] {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  const walls: number[] = []
  for (let at: number = from; at < until; at += QUARTER) {
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0] = format
      .format(at)
      .split(/\D+/)
      .map(Number)
    walls.push(Date.UTC(year, month - 1, day, hour, minute))
  }
  return walls
}

/**
 * Slots by watching the clock: at each minute, every time that the clock has newly reached or jumped
 * over is due at once; a time that it has shown before is not.
 */
export function watchedSlots(walls: readonly number[], from: Instant, times: Times): Instant[] {
  const fires = matcher(times)
  const slots: Instant[] = []
  let shown = (walls[0] ?? 0) - MINUTE
  walls.forEach((wall, quarter) => {
    for (let minute = 0; minute < 15; minute++) {
      const reached = wall + minute * MINUTE
      let due = false
      for (; shown < reached; shown += MINUTE) due = fires(shown + MINUTE) || due
      if (due) slots.push((from + quarter * QUARTER + minute * MINUTE) as Instant)
    }
  })
  return slots
}

function matcher({ minutes, hours, weekdays }: Times): (wall: number) => boolean {
  const at = new Set(hours.flatMap((hour) => minutes.map((minute) => hour * 60 + minute)))
  const on = new Set(weekdays)
  return (wall) => {
    const days = Math.floor(wall / 86_400_000)
    return at.has((wall - days * 86_400_000) / MINUTE) && on.has((days + 4) % 7)
  }
}
