import type { Desired } from '../core/model.ts'
import { exactDuration } from './words.ts'

/** Keys of `Desired` that hold milliseconds. */
const DURATIONS = new Set([
  'drainTimeout',
  'within',
  'rpo',
  'rto',
  'verifiedWithin',
  'drilledWithin',
  'maxDuration',
  'keepWithin',
  'keepWithinHourly',
  'keepWithinDaily',
  'keepWithinWeekly',
  'keepWithinMonthly',
  'keepWithinYearly',
])

/**
 * The config as it was understood, as plain JSON: every default filled in, durations in words,
 * secrets as `***`.
 */
export function showConfig(desired: Desired): unknown {
  return JSON.parse(JSON.stringify(desired), (key, value: unknown) =>
    typeof value === 'number' && DURATIONS.has(key) ? exactDuration(value) : value,
  )
}
