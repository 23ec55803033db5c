import type { Retention } from '../core/model.ts'
import type { Block } from './block.ts'
import { child, fault, flag, millis, number } from './block.ts'
import { exactDuration } from './words.ts'

/** Vardo's keys, which stand in the job itself. */
const COUNTS = [
  'keep_last',
  'keep_hourly',
  'keep_daily',
  'keep_weekly',
  'keep_monthly',
  'keep_yearly',
] as const

/** The retention declared in a block's own `retention`, or null; its days are those of `timezone`. */
export function retentionIn(block: Block, timezone: string): Retention | null {
  const declared = child(block, 'retention')
  return declared === null ? null : readRetention(declared, timezone)
}

/** The retention of a job, in our place for it or in Vardo's; null when it has none. */
export function retentionOfJob(job: Block, timezone: string): Retention | null {
  const ours = retentionIn(job, timezone)
  const [vardos] = ['keep_all', ...COUNTS].filter((key) => job.tree.entries.has(key))
  if (vardos === undefined) return ours
  if (ours !== null) {
    fault(job, vardos, 'stands beside "retention"', 'write it into "retention"')
  }
  return readRetention(job, timezone)
}

/** What holds where nothing is declared: everything is kept. */
export function keepEverything(timezone: string): Retention {
  return {
    keepAll: true,
    keepLast: null,
    keepHourly: null,
    keepDaily: null,
    keepWeekly: null,
    keepMonthly: null,
    keepYearly: null,
    keepWithin: null,
    keepWithinHourly: null,
    keepWithinDaily: null,
    keepWithinWeekly: null,
    keepWithinMonthly: null,
    keepWithinYearly: null,
    keepAtLeast: 1,
    timezone,
  }
}

function readRetention(block: Block, timezone: string): Retention {
  const rules = {
    keepLast: number(block, 'keep_last'),
    keepHourly: number(block, 'keep_hourly'),
    keepDaily: number(block, 'keep_daily'),
    keepWeekly: number(block, 'keep_weekly'),
    keepMonthly: number(block, 'keep_monthly'),
    keepYearly: number(block, 'keep_yearly'),
    keepWithin: millis(block, 'keep_within'),
    keepWithinHourly: millis(block, 'keep_within_hourly'),
    keepWithinDaily: millis(block, 'keep_within_daily'),
    keepWithinWeekly: millis(block, 'keep_within_weekly'),
    keepWithinMonthly: millis(block, 'keep_within_monthly'),
    keepWithinYearly: millis(block, 'keep_within_yearly'),
  }
  const noRule = Object.values(rules).every((rule) => rule === null)
  const keepAll = flag(block, 'keep_all') === true || noRule
  return { ...rules, keepAll, keepAtLeast: number(block, 'keep_at_least') ?? 1, timezone }
}

/** `everything`, or `last 1, daily 7, within 30d`. */
export function retentionWords(retention: Retention): string {
  if (retention.keepAll) return 'everything'
  const { keepAll: _keepAll, keepAtLeast, timezone, ...rules } = retention
  const words = Object.entries(rules).flatMap(([name, rule]) =>
    rule === null ? [] : [`${ruleWords(name)} ${isAge(name) ? exactDuration(rule) : rule}`],
  )
  if (keepAtLeast > 1) words.push(`at least ${keepAtLeast}`)
  return words.join(', ') + (timezone === 'UTC' ? '' : ` (${timezone})`)
}

function isAge(name: string): boolean {
  return name.startsWith('keepWithin')
}

/** `keepWithinDaily` as `within daily`. */
function ruleWords(name: string): string {
  return name
    .slice('keep'.length)
    .replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim()
}
