import { randomBytes } from 'node:crypto'
import type { DesiredTarget } from '../core/model.ts'
import { type ProbeResult, probeFolder, type TargetTest } from '../core/probe.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import type { World } from '../observe/world.ts'
import { PROBE_STEPS, type Step, type Told } from './probe-steps.ts'
import { leftIn } from './probe-sweep.ts'
import type { Probing } from './probing.ts'

const SMALL = 1000
/** What is left of a test that broke off gets so long to be taken back. */
const TIDY_UP = 20_000
/** What an aborted step gets to end by itself: a write takes back what it began. */
const GRACE = 6_000

/**
 * Tries everything that backups need of a target, with objects of its own that stand apart. What
 * fails is a value; the probes are taken back whatever happens. Throws the signal's reason.
 */
export async function testTarget(
  declared: DesiredTarget,
  world: World,
  signal: AbortSignal,
): Promise<TargetTest> {
  const { id: target, kind } = declared
  const begunAt = world.now()
  const id = world.newId()
  const probing: Probing = {
    declared,
    world,
    target: null,
    folder: probeFolder(begunAt, id),
    token: `probe-${id}`,
    small: randomBytes(SMALL),
    written: null,
  }
  const results: ProbeResult[] = []
  let leftovers: readonly string[] = []
  try {
    for (const step of PROBE_STEPS) results.push(await take(step, results, { probing }, signal))
  } finally {
    leftovers = await tidyUp(probing)
  }
  return { target, kind, steps: results, leftovers }
}

async function take(
  { step, needs, limit, run }: Step,
  before: readonly ProbeResult[],
  { probing }: { readonly probing: Probing },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const missing = before.find(
    (one) => one.step === needs && (one.verdict === 'failed' || one.verdict === 'skipped'),
  )
  if (missing) {
    const message = `not tried: ${missing.step} ${missing.verdict === 'failed' ? 'failed' : 'was skipped'}`
    return { step, verdict: 'skipped', durationMs: 0, message, error: null, figures: {} }
  }
  const begun = performance.now()
  const limited = withTimeLimit(signal, limit, `${step} on ${probing.declared.id}`)
  const work = unlessAborted(run(probing, limited), limited, GRACE)
  const told = await work.catch((error: unknown): Told => {
    signal.throwIfAborted()
    const cause = limited.aborted ? limited.reason : error
    return { verdict: 'failed', message: messageOf(cause), error: reportOf(cause) }
  })
  const { verdict = 'ok', message, error = null, figures = {} } = told
  const durationMs = Math.round(performance.now() - begun)
  return { step, verdict, durationMs, message, error, figures }
}

/** Under a signal of its own: an interrupt must not leave anything behind. Gives what stays. */
async function tidyUp(probing: Probing): Promise<readonly string[]> {
  const { target, folder, written, world, declared } = probing
  if (target === null || written === null) return []
  const signal = withTimeLimit(new AbortController().signal, TIDY_UP, 'taking the probes back')
  try {
    return await unlessAborted(leftIn(target, folder, signal), signal)
  } catch (error) {
    world.report({
      event: 'pass.failed',
      level: 'warn',
      message: `could not take back what stands under ${folder} on ${declared.id}; a later test does: ${messageOf(error)}`,
      target: declared.id,
      error: reportOf(error),
    })
    return [folder] // nobody can tell what of it is there
  }
}
