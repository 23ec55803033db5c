import type { Instant } from '../lib/brand.ts'
import { formatDuration } from '../lib/time.ts'
import { BUCKET_OF, type Period } from './calendar.ts'
import type { Retention } from './model.ts'
import { zoneOf } from './zone.ts'

/** A copy as retention sees it: a valid one (promise 2), of one group on one target. */
export interface Retained<T> {
  readonly item: T
  /** Unique. Tells copies of the same instant apart, so that the order of the input never matters. */
  readonly key: string
  readonly takenAt: Instant
  readonly verifiedAt: Instant | null
  readonly pinned: boolean
}

/** Who stays and why, and who goes; both newest first. */
export interface RetentionDecision<T> {
  readonly keep: readonly KeptItem<T>[]
  readonly drop: readonly T[]
}

/**
 * One that stays, with at least one reason: `last-1`, `hourly-2`, `daily-3`, `weekly-1`,
 * `monthly-1`, `yearly-1`, `within`, `within-daily` (and so on), `keep-all`, `pinned`,
 * `newest-verified`, `at-least` when nothing else keeps it, `future`.
 */
export interface KeptItem<T> {
  readonly item: T
  readonly reasons: readonly string[]
}

/**
 * What `policy` keeps of the copies of one group on one target, as of `now`.
 *
 * A copy stays when any rule keeps it (Vardo's union, SEEDS §1.8). A bucket is an hour, day, week,
 * month or year of the policy's zone; a rule of N keeps the newest copy of each of the N newest
 * buckets that hold any, so gaps use nothing up. N = 0 is a rule that keeps none; no rule at all
 * keeps everything.
 *
 * Whatever the rules say, pinned copies stay, the newest verified one, and the `keepAtLeast` newest.
 * Nothing else fills that floor up: or a pin or a rule added could cost a copy that stayed without.
 *
 * Copies from the future count for nothing and are never dropped.
 */
export function decideRetention<T>(
  copies: readonly Retained<T>[],
  policy: Retention,
  now: Instant,
): RetentionDecision<T> {
  const sorted = copies.toSorted(newestFirst)
  const past = sorted.slice(sorted.findLastIndex(({ takenAt }) => takenAt > now) + 1)
  const reasons: Reasons = new Map()

  for (const copy of sorted.slice(0, sorted.length - past.length)) keep(copy, 'future', reasons)
  if (keepsAll(policy)) for (const copy of past) keep(copy, 'keep-all', reasons)
  else applyRules(past, policy, reasons)
  for (const copy of sorted) if (copy.pinned) keep(copy, 'pinned', reasons)
  const verified = past.find(({ verifiedAt }) => verifiedAt !== null)
  if (verified) keep(verified, 'newest-verified', reasons)
  for (const copy of past.slice(0, Math.max(1, policy.keepAtLeast))) {
    if (!reasons.has(copy)) keep(copy, 'at-least', reasons)
  }
  return split(sorted, reasons)
}

/** The policy in words: `last 1, daily 7, within 30d, in Europe/Berlin`; `keep all`. */
export function describePolicy(policy: Retention): string {
  const words: string[] = []
  for (const { word, count } of RULES) {
    const kept = policy[count]
    if (kept !== null) words.push(`${word} ${kept}`)
  }
  for (const { word, within } of RULES) {
    const age = policy[within]
    if (age !== null) words.push(`${withinWord(word).replace('-', ' ')} ${formatDuration(age)}`)
  }
  if (keepsAll(policy)) words.splice(0, words.length, 'keep all')
  if (policy.keepAtLeast > 1) words.push(`at least ${policy.keepAtLeast}`)
  if (policy.timezone !== 'UTC' && !keepsAll(policy)) words.push(`in ${policy.timezone}`)
  return words.join(', ')
}

/** Why the copies that stay do so. */
type Reasons = Map<Retained<unknown>, string[]>

type Word = 'last' | Period

/** Where the policy holds each rule. */
const RULES = [
  { word: 'last', count: 'keepLast', within: 'keepWithin' },
  { word: 'hourly', count: 'keepHourly', within: 'keepWithinHourly' },
  { word: 'daily', count: 'keepDaily', within: 'keepWithinDaily' },
  { word: 'weekly', count: 'keepWeekly', within: 'keepWithinWeekly' },
  { word: 'monthly', count: 'keepMonthly', within: 'keepWithinMonthly' },
  { word: 'yearly', count: 'keepYearly', within: 'keepWithinYearly' },
] as const satisfies readonly { word: Word; count: keyof Retention; within: keyof Retention }[]

/** `within`, `within-daily`, … */
function withinWord(word: Word): string {
  return word === 'last' ? 'within' : `within-${word}`
}

/** `keep_all`, or not one rule set. */
function keepsAll(policy: Retention): boolean {
  return (
    policy.keepAll ||
    RULES.every(({ count, within }) => policy[count] === null && policy[within] === null)
  )
}

function newestFirst(a: Retained<unknown>, b: Retained<unknown>): number {
  if (a.takenAt !== b.takenAt) return b.takenAt - a.takenAt
  return a.key < b.key ? 1 : -1
}

function keep(copy: Retained<unknown>, reason: string, reasons: Reasons): void {
  const known = reasons.get(copy)
  if (known === undefined) reasons.set(copy, [reason])
  else known.push(reason)
}

function split<T>(sorted: readonly Retained<T>[], reasons: Reasons): RetentionDecision<T> {
  const kept: KeptItem<T>[] = []
  const drop: T[] = []
  for (const copy of sorted) {
    const why = reasons.get(copy)
    if (why === undefined) drop.push(copy.item)
    else kept.push({ item: copy.item, reasons: why })
  }
  return { keep: kept, drop }
}

/** Notes each copy that a rule keeps. `past` is newest first. */
function applyRules(past: readonly Retained<unknown>[], policy: Retention, reasons: Reasons): void {
  for (const { word, count, within } of RULES) {
    const limit = policy[count] ?? 0
    let number = 0
    for (const copy of limit > 0 ? newestOfEach(past, word, policy.timezone) : []) {
      keep(copy, `${word}-${++number}`, reasons)
      if (number === limit) break
    }
    const since = beginOf(past, policy[within] ?? 0)
    for (const copy of newestOfEach(past, word, policy.timezone)) {
      if (copy.takenAt < since) break
      keep(copy, withinWord(word), reasons)
    }
  }
}

/**
 * Where an age begins. It counts back from the newest copy, not from now: else a target would run
 * empty by time alone while no backup succeeds. An age of 0 holds none.
 */
function beginOf(past: readonly Retained<unknown>[], age: number): number {
  const [newest] = past
  return newest === undefined || age <= 0 ? Number.POSITIVE_INFINITY : newest.takenAt - age
}

/** The newest copy of each bucket, newest first; for `last`, every copy. */
function* newestOfEach(
  past: readonly Retained<unknown>[],
  word: Word,
  timezone: string,
): Generator<Retained<unknown>> {
  if (word === 'last') return yield* past
  const zone = zoneOf(timezone)
  const bucketOf = BUCKET_OF[word]
  const seen = new Set<number>()
  for (const copy of past) {
    const bucket = bucketOf(zone.wallOf(copy.takenAt))
    if (seen.has(bucket)) continue
    seen.add(bucket)
    yield copy
  }
}
