import { createHash } from 'node:crypto'
import type { LifecycleRule } from '@aws-sdk/client-s3'

/** What the name of each rule of ours begins with; it once was the whole of it. */
const OURS = 'holdfast-abort-multipart'

/** Its own for each prefix: several targets may lie in one bucket. */
function nameOf(prefix: string): string {
  return `${OURS}-${createHash('sha256').update(prefix).digest('hex').slice(0, 12)}`
}

/** After how many days the rules abort an unfinished upload under `prefix`; null: never. */
export function abortDays(rules: readonly LifecycleRule[], prefix: string): number | null {
  const days = rules
    .filter((rule) => rule.Status === 'Enabled' && covers(rule, prefix))
    .map((rule) => rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation ?? 0)
    .filter((one) => one > 0)
  return days.length === 0 ? null : Math.min(...days)
}

/** Whether every object under `prefix` is the rule's. */
function covers({ Filter, Prefix }: LifecycleRule, prefix: string): boolean {
  const { Prefix: filtered, ...more } = Filter ?? {}
  const narrower = Object.values(more).some((one) => one !== undefined)
  return !narrower && prefix.startsWith(filtered ?? Prefix ?? '')
}

/** The rules with ours among them, which aborts under `prefix` after `days`. All others stay. */
export function withAbortRule(
  rules: readonly LifecycleRule[],
  prefix: string,
  days: number,
): LifecycleRule[] {
  const ours: LifecycleRule = {
    ID: nameOf(prefix),
    Status: 'Enabled',
    Filter: { Prefix: prefix },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: days },
  }
  const isOurs = ({ ID, Filter, Prefix }: LifecycleRule) =>
    ID === ours.ID || (ID === OURS && (Filter?.Prefix ?? Prefix ?? '') === prefix)
  return [...rules.filter((rule) => !isOurs(rule)), ours]
}
