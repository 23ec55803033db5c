const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The parts of a calendar that retention keeps one copy of. */
export type Period = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly'

/**
 * The number of the hour, day, week, month or year that a wall clock shows at `wall` (milliseconds
 * of a clock that reads UTC). Weeks begin on Monday and belong to no year.
 */
export const BUCKET_OF: Readonly<Record<Period, (wall: number) => number>> = {
  hourly: (wall) => Math.floor(wall / HOUR),
  daily: (wall) => Math.floor(wall / DAY),
  // Day 0 of the epoch is a Thursday.
  weekly: (wall) => Math.floor((Math.floor(wall / DAY) + 3) / 7),
  monthly: (wall) => {
    const date = new Date(wall)
    return date.getUTCFullYear() * 12 + date.getUTCMonth()
  },
  yearly: (wall) => new Date(wall).getUTCFullYear(),
}
