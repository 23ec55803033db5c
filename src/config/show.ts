import type { Desired, DesiredSource, OptionValue } from '../core/model.ts'
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
 * secrets as `***`, and so the words of a program after its name, which may hold one.
 */
export function showConfig(desired: Desired): unknown {
  const shown = {
    ...desired,
    targets: desired.targets.map(({ fingerprint: _mark, facts: _facts, ...target }) => target),
    jobs: desired.jobs.map(({ fingerprint: _mark, facts: _facts, ...job }) => ({
      ...job,
      sources: job.sources.map(masked),
    })),
  }
  return JSON.parse(JSON.stringify(shown), (key, value: unknown) =>
    typeof value === 'number' && DURATIONS.has(key) ? exactDuration(value) : value,
  )
}

function masked(source: DesiredSource): DesiredSource {
  if (source.kind !== 'command') return source
  const mask = (value: OptionValue | undefined) =>
    Array.isArray(value)
      ? value.map((word, index) => (index === 0 ? word : '***'))
      : (value ?? null)
  const { backup, restore, ...options } = source.options
  return { ...source, options: { ...options, backup: mask(backup), restore: mask(restore) } }
}
