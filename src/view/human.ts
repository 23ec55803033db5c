import type { Action, Kept, Plan } from '../core/action.ts'
import type { Copy } from '../core/model.ts'
import type { Warning } from '../core/observed.ts'
import { groupedBy } from '../core/order.ts'
import { formatBytes } from '../lib/size.ts'
import { renderCoverage } from './coverage.ts'
import { type Colour, paint, plain, type Style } from './paint.ts'
import { summarize, summaryWords } from './summary.ts'
import { actionWords, becauseWords, changeWords, when } from './words.ts'

/** Subjects that are named under a warning that many share. */
const NAMED = 5

/** A plan for a person at a terminal: every step with its reason, then what deserves a look. */
export function renderPlan(plan: Plan, style: Style): string {
  const steps =
    plan.actions.length === 0
      ? 'Nothing to do: everything is as declared.'
      : `${renderActions(plan.actions, style)}\n\n${paint(`Plan: ${summaryWords(summarize(plan))}.`, 'bold', style)}`
  const warnings = renderWarnings(plan.warnings, style)
  const coverage = renderCoverage(plan.coverage, style)
  return [steps, coverage, warnings].filter((block) => block !== '').join('\n\n')
}

/** Steps with their reasons; a deletion with each copy that goes, and why each other one stays. */
export function renderActions(actions: readonly Action[], style: Style): string {
  return actions.flatMap((action) => stepLines(action, style)).join('\n')
}

/** Warnings, those that are alike in one block. */
export function renderWarnings(warnings: readonly Warning[], style: Style): string {
  const alike = groupedBy(warnings, (one) => JSON.stringify([one.rule, one.message, one.hint]))
  return [...alike.values()].map((those) => warningLines(those, style).join('\n')).join('\n')
}

const MARKS = {
  restore: ['!', 'yellow'],
  'target.create': ['+', 'green'],
  'target.update': ['~', 'yellow'],
  'target.remove': ['-', 'red'],
  posture: ['~', 'yellow'],
  'job.create': ['+', 'green'],
  'job.update': ['~', 'yellow'],
  'job.remove': ['-', 'red'],
  backup: ['>', 'cyan'],
  skip: ['.', 'yellow'],
  abandon: ['x', 'yellow'],
  adopt: ['<', 'green'],
  missing: ['?', 'red'],
  debris: ['-', 'yellow'],
  copy: ['+', 'cyan'],
  verify: ['*', 'cyan'],
  prune: ['-', 'red'],
  'prune-blocked': ['#', 'yellow'],
  release: ['-', 'yellow'],
} as const satisfies Readonly<Record<Action['kind'], readonly [string, Colour]>>

/** The sign that stands before a step of this kind. */
export function markOf(action: Action): string {
  return MARKS[action.kind][0]
}

function stepLines(action: Action, style: Style): readonly string[] {
  const [mark, colour] = MARKS[action.kind]
  return [
    `  ${paint(mark, colour, style)} ${plain(actionWords(action))}`,
    ...reasons(action).map((reason) => `      ${plain(reason)}`),
    ...copyLines(action, style),
  ]
}

function reasons(action: Action): readonly string[] {
  const { because } = action
  if (because.rule === 'changed' && because.changes.length > 0)
    return because.changes.map(changeWords)
  const hint = action.kind === 'posture' ? action.hint : null
  return [becauseWords(action), ...(hint === null ? [] : [`hint: ${hint}`])]
}

function copyLines(action: Action, style: Style): readonly string[] {
  if (action.kind === 'prune') {
    return [
      ...action.drop.map((copy) => goes(copy, '-', style)),
      ...action.keep.map((kept) => stays(kept, style)),
    ]
  }
  if (action.kind === 'prune-blocked') {
    return [
      ...action.would.map((copy) => goes(copy, '#', style)),
      ...action.keep.map((kept) => stays(kept, style)),
    ]
  }
  return []
}

function goes(copy: Copy, mark: string, style: Style): string {
  return `      ${paint(mark, 'red', style)} ${plain(copy.key)}  ${sizeOf(copy)}  taken ${when(copy.takenAt)}`
}

function stays({ copy, reasons }: Kept, style: Style): string {
  const why = paint(`kept: ${reasons.join(', ')}`, 'dim', style)
  return `      ${paint('=', 'green', style)} ${plain(copy.key)}  ${sizeOf(copy)}  ${why}`
}

function sizeOf({ bytes }: Copy): string {
  return bytes === null ? '? B' : formatBytes(bytes)
}

function warningLines(alike: readonly Warning[], style: Style): readonly string[] {
  const [first] = alike
  if (first === undefined) return []
  const named = alike.slice(0, NAMED).map((one) => one.subject)
  const more = alike.length - named.length
  const subjects = [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ')
  const mark = paint(`warning ${first.rule}`, 'yellow', style)
  const hint = first.hint === null ? [] : [`      ${paint(plain(first.hint), 'dim', style)}`]
  return [`  ${mark} ${plain(subjects)}: ${plain(first.message)}`, ...hint]
}
