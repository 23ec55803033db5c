import { testTarget } from '../act/test-target.ts'
import type { DesiredTarget } from '../core/model.ts'
import { sortedBy } from '../core/order.ts'
import { type TargetTest, verdictOf } from '../core/probe.ts'
import { ReferenceUnknown } from '../lib/errors.ts'
import { suggest } from '../lib/suggest.ts'
import { probeJson, renderProbe } from '../view/probe.ts'
import type { Context, GlobalFlags } from './context.ts'
import { open } from './opened.ts'

const CONFIG_INVALID = 10
const UNREACHABLE = 13
const FAILED = 1

/**
 * `target test [name…]`: tries what backups need of targets, one after the other. 13 when one cannot
 * be reached, else 1 when a step of one failed; a warning is no failure.
 */
export async function targetTest(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world, desired } = opened
  const wanted = chosenTargets(words, desired.targets)
  const tests: TargetTest[] = []
  const style = { color: context.terminal.color && flags.color }
  if (!flags.json && wanted.length === 0) context.out('no targets are declared')
  for (const target of wanted) {
    const test = await testTarget(target, world, context.interrupted)
    tests.push(test)
    const isShown = !flags.json && (!flags.quiet || verdictOf(test) !== 'ok')
    if (isShown) context.out(renderProbe(test, style, flags.quiet ? 'trouble' : 'all'))
  }
  if (flags.json) context.out(JSON.stringify({ targets: tests.map(probeJson) }, null, 2))
  return tests.map(codeOf).reduce((worst, code) => Math.max(worst, code), 0)
}

function chosenTargets(
  words: readonly string[],
  targets: readonly DesiredTarget[],
): readonly DesiredTarget[] {
  const ids = targets.map(({ id }) => id)
  const unknown = words.find((word) => !ids.some((id) => id === word))
  if (unknown !== undefined) {
    const near = suggest(unknown, ids)
    throw new ReferenceUnknown(`no target ${unknown} is declared`, {
      hint: near ? `did you mean ${near}?` : 'see what is declared with: holdfast target list',
    })
  }
  return sortedBy(targets, ({ id }) => id).filter(
    ({ id }) => words.length === 0 || words.includes(id),
  )
}

function codeOf({ steps }: TargetTest): number {
  const failed = steps.find(({ verdict }) => verdict === 'failed')
  if (failed === undefined) return 0
  if (failed.step !== 'reach') return FAILED
  return failed.error?.code === 'config_invalid' ? CONFIG_INVALID : UNREACHABLE
}
