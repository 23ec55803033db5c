import type { Action, Plan } from '../core/action.ts'
import { formatBytes } from '../lib/size.ts'
import { coverageMarkdown } from './coverage.ts'
import { markOf } from './human.ts'
import { plain } from './paint.ts'
import { summarize, summaryWords } from './summary.ts'
import { actionWords, becauseWords, when } from './words.ts'

/** A plan as the comment on a pull request; `notes` stand under it. */
export function planMarkdown(plan: Plan, notes: readonly string[] = []): string {
  const { actions, warnings } = plan
  const blocks = [
    '### Holdfast plan',
    actions.length === 0
      ? 'Nothing to do: everything is as declared.'
      : `**${summaryWords(summarize(plan))}**`,
    actions.length === 0 ? '' : stepsTable(actions),
    ...actions.flatMap(deletions),
    ...coverageMarkdown(plan.coverage, text),
    warnings.length === 0 ? '' : '#### Warnings',
    warnings
      .map(
        ({ rule, subject, message, hint }) =>
          `- **${text(rule)}** ${text(subject)}: ${text(message)}${hint === null ? '' : ` (${text(hint)})`}`,
      )
      .join('\n'),
    notes.map((note) => `- ${text(note)}`).join('\n'),
  ]
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`
}

function stepsTable(actions: readonly Action[]): string {
  const rows = actions.map(
    (action) => `| \`${markOf(action)}\` | ${text(actionWords(action))} | ${text(whyOf(action))} |`,
  )
  return ['| | step | why |', '|---|---|---|', ...rows].join('\n')
}

function whyOf(action: Action): string {
  const hint = action.kind === 'posture' ? action.hint : null
  return hint === null ? becauseWords(action) : `${becauseWords(action)} (${hint})`
}

/** Each copy that goes, and why each other one stays, folded away. */
function deletions(action: Action): readonly string[] {
  if (action.kind !== 'prune' && action.kind !== 'prune-blocked') return []
  const going = action.kind === 'prune' ? action.drop : action.would
  const word = action.kind === 'prune' ? '**deleted**' : '**would be deleted**'
  const rows = [
    ...going.map((copy) => ({ copy, fate: word })),
    ...action.keep.map(({ copy, reasons }) => ({ copy, fate: text(reasons.join(', ')) })),
  ].map(
    ({ copy, fate }) =>
      `| ${text(copy.key)} | ${formatBytes(copy.bytes ?? 0)} | ${when(copy.takenAt)} | ${fate} |`,
  )
  return [
    `<details><summary>${text(action.group)} on ${text(action.target)}</summary>`,
    ['| copy | size | taken | stays because |', '|---|---|---|---|', ...rows].join('\n'),
    '</details>',
  ]
}

/** Text that stays text: no markup, no table cell, no mention. */
function text(words: string): string {
  return plain(words)
    .replaceAll(/[\\`*_[\]|#~]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('@', '&#64;')
}
