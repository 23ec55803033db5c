import { formatBytes } from '../lib/size.ts'
import { formatDuration } from '../lib/time.ts'
import { plain } from './paint.ts'

/** How far a long work has come. */
export interface Moved {
  /** `backup`, `verify`, `restore`. */
  readonly what: string
  readonly subject: string
  readonly bytes: number
  /** Expected in all, or null when nobody can tell. */
  readonly total: number | null
}

const BAR = 20

/**
 * One line for a terminal of `columns`, never wider: what, how much, how fast, how much longer.
 * `elapsed` in milliseconds.
 */
export function progressLine(moved: Moved, elapsed: number, columns: number): string {
  const { what, subject, bytes, total } = moved
  const rate = elapsed > 0 ? bytes / (elapsed / 1000) : 0
  const parts = [
    plain(`${what} ${subject}`),
    ...(total !== null && total > 0 ? [bar(bytes / total)] : []),
    formatBytes(bytes),
    `${formatBytes(Math.round(rate))}/s`,
    remaining(moved, rate, elapsed),
  ]
  return parts.join('  ').slice(0, Math.max(0, columns - 1))
}

function bar(share: number): string {
  const done = Math.min(1, Math.max(0, share))
  const filled = Math.round(done * BAR)
  return `[${'='.repeat(filled)}${' '.repeat(BAR - filled)}] ${`${Math.floor(done * 100)}`.padStart(3)} %`
}

function remaining({ bytes, total }: Moved, rate: number, elapsed: number): string {
  if (total === null || rate <= 0 || bytes >= total) return seconds(elapsed)
  return `ETA ${seconds(((total - bytes) / rate) * 1000)}`
}

function seconds(millis: number): string {
  return formatDuration(Math.max(1000, Math.round(millis / 1000) * 1000))
}
