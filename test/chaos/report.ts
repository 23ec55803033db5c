import type { Outcome } from './chaos.ts'

/** What all deployments came to, as a table. */
export function report(outcomes: readonly Outcome[]): string {
  const sum = (of: (one: Outcome) => number) => outcomes.reduce((total, one) => total + of(one), 0)
  const most = (of: (one: Outcome) => number) => Math.max(0, ...outcomes.map(of))
  const strikes = Map.groupBy(
    outcomes.flatMap((one) => one.strikes),
    (title) => title,
  )
  const rows: readonly (readonly [title: string, figure: string])[] = [
    ...[...strikes].sort().map(([title, all]) => [title, `${all.length}`] as const),
    ['slots', `${sum(({ slots }) => slots)}`],
    ['slots doubled', `${sum(({ doubled }) => doubled)}`],
    ['slots lost', `${sum(({ lost }) => lost)}`],
    ['slots skipped or caught up by a later one', `${sum(({ passedOver }) => passedOver)}`],
    ['attempts', `${sum(({ attempts }) => attempts)}`],
    ['attempts taken over', `${sum(({ takeovers }) => takeovers)}`],
    ['longest takeover after the end of a lease', seconds(most((one) => one.longestTakeover))],
    ['longest overlap of two attempts', seconds(most((one) => one.longestOverlap))],
    ['laws broken', `${sum(({ broken }) => broken.length)}`],
  ]
  const width = Math.max(...rows.map(([title]) => title.length))
  return rows.map(([title, figure]) => `${title.padEnd(width)} ${figure}`).join('\n')
}

function seconds(millis: number): string {
  return `${(millis / 1000).toFixed(1)} s`
}
