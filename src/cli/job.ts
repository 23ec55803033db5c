import type { DesiredJob } from '../core/model.ts'
import { nextSlot } from '../core/schedule.ts'
import { StateRefused } from '../lib/errors.ts'
import { iso } from '../lib/time.ts'
import { table } from '../view/table.ts'
import type { Context, GlobalFlags } from './context.ts'
import { load, open } from './opened.ts'

/** `job list`: the declared jobs and those that apps have got by themselves, with their next slot. */
export async function jobList(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const jobs = await jobsOf(flags, context)
  const rows = jobs.map((job) => {
    const next = job.schedule && job.enabled ? nextSlot(job.schedule, context.now()) : null
    return {
      id: job.id,
      name: job.title,
      enabled: job.enabled,
      schedule: job.schedule?.cron ?? null,
      timezone: job.schedule?.timezone ?? null,
      nextSlot: next === null ? null : iso(next),
      sources: job.sources.map(({ name }) => name),
      targets: job.targets.map(({ target }) => target),
    }
  })
  if (flags.json) context.out(JSON.stringify({ jobs: rows }, null, 2))
  else {
    const cells = rows.map((row) => [
      row.id,
      row.enabled ? (row.schedule ?? 'on request') : 'disabled',
      row.nextSlot ?? '-',
      row.sources.join(', '),
      row.targets.join(', ') || 'none',
    ])
    context.out(table(['JOB', 'SCHEDULE', 'NEXT', 'SOURCES', 'TARGETS'], cells))
  }
  return 0
}

/** The state is asked only where it may know of more jobs than the file. */
async function jobsOf(flags: GlobalFlags, context: Context): Promise<readonly DesiredJob[]> {
  const declared = await load(flags, context)
  if (declared.auto === null) return declared.jobs
  try {
    await using opened = await open(flags, context)
    return opened.desired.jobs
  } catch (error) {
    if (!(error instanceof StateRefused)) throw error
    context.err(`only the jobs of the file: ${error.message}`)
    return declared.jobs
  }
}
