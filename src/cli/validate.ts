import { count } from '../lib/count.ts'
import type { Context, GlobalFlags } from './context.ts'
import { load } from './opened.ts'

/** `validate`: 0 when the config can be used, 10 with every fault and its place when not. Looks at nothing else. */
export async function validate(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const { origin, jobs, targets, notices, unavailable } = await load(flags, context)
  const later = unavailable.map(
    ({ path, what }) => `${path}: ${what}: not available in this version`,
  )
  if (flags.json) {
    context.out(
      JSON.stringify(
        {
          valid: true,
          path: origin.path,
          jobs: jobs.length,
          targets: targets.length,
          notices,
          unavailable,
        },
        null,
        2,
      ),
    )
    return 0
  }
  context.out(
    `${origin.path} is valid: ${count(jobs.length, 'job', 'jobs')}, ${count(targets.length, 'target', 'targets')}`,
  )
  for (const line of [...later, ...notices]) context.out(`  ${line}`)
  return 0
}
