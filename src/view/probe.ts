import { type ProbeResult, type TargetTest, type Verdict, verdictOf } from '../core/probe.ts'
import { formatDuration } from '../lib/time.ts'
import type { Json } from './json.ts'
import { type Colour, paint, plain, type Style } from './paint.ts'

const COLOURS = {
  ok: 'green',
  warn: 'yellow',
  failed: 'red',
  skipped: 'dim',
} as const satisfies Readonly<Record<Verdict, Colour>>

const VERDICT_WIDTH = 7
const STEP_WIDTH = 10
const TIME_WIDTH = 6

/** A target's test for a person: a line a step, and what to do about those that failed. */
export function renderProbe(test: TargetTest, style: Style, show: 'all' | 'trouble'): string {
  const { target, kind, leftovers } = test
  const steps = test.steps.filter(
    ({ verdict }) => show === 'all' || verdict === 'failed' || verdict === 'warn',
  )
  const verdict = verdictOf(test)
  const head = `${plain(target)} (${plain(kind)}): ${paint(verdict, COLOURS[verdict], style)}`
  const left = leftovers.length === 0 ? [] : [plain(`  left behind: ${leftovers.join(', ')}`)]
  return [head, ...steps.flatMap((step) => stepLines(step, style)), ...left].join('\n')
}

function stepLines(result: ProbeResult, style: Style): readonly string[] {
  const { step, verdict, durationMs, message, error } = result
  const mark = paint(verdict.padEnd(VERDICT_WIDTH), COLOURS[verdict], style)
  const time = verdict === 'skipped' ? '' : formatDuration(durationMs)
  const line = `  ${mark}  ${step.padEnd(STEP_WIDTH)}  ${time.padStart(TIME_WIDTH)}  ${plain(message)}`
  const hint = error?.hint ?? null
  return hint === null ? [line] : [line, `      hint: ${plain(hint)}`]
}

/** The same for a program: camelCase, durations in milliseconds. */
export function probeJson(test: TargetTest): { readonly [key: string]: Json } {
  return {
    id: test.target,
    type: test.kind,
    verdict: verdictOf(test),
    steps: test.steps.map(({ step, verdict, durationMs, message, error, figures }) => ({
      step,
      verdict,
      durationMs,
      message,
      error: error && { ...error },
      ...figures,
    })),
    leftovers: test.leftovers,
  }
}
