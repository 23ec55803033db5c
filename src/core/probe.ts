import type { ErrorReport } from '../lib/errors.ts'
import { keyTimestamp, parseInstant } from '../lib/time.ts'
import { ASIDE } from './archive-key.ts'
import type { Instant, TargetId } from './model.ts'

/** Where probes of `target test` stand, apart from every archive. */
export const PROBES = `${ASIDE}probe/`

/** The folder of one test's probes: it tells when the test began. */
export function probeFolder(begunAt: Instant, id: string): string {
  return `${PROBES}${keyTimestamp(begunAt)}-${id}/`
}

/** Whether a key is that of a probe, which is neither an archive nor foreign. */
export function isProbe(key: string): boolean {
  return probeBegunAt(key) !== null
}

/** When the test of a probe began; null for every other key. */
export function probeBegunAt(key: string): Instant | null {
  if (!key.startsWith(PROBES)) return null
  const [, timestamp = ''] = /^([\dTZ-]{24})-[a-z0-9]+\/[^/]+$/.exec(key.slice(PROBES.length)) ?? []
  return timestamp === '' ? null : parseInstant(timestamp)
}

/** What `target test` tries, in this order. */
export type ProbeStep =
  | 'reach'
  | 'sweep'
  | 'write'
  | 'read'
  | 'stat'
  | 'list'
  | 'range'
  | 'overwrite'
  | 'clock'
  | 'delete'
  | 'throughput'
  | 'space'
  | 'posture'

/** `skipped`: it makes no sense there, or not after what failed before it. */
export type Verdict = 'ok' | 'warn' | 'failed' | 'skipped'

/** What one step came to. */
export interface ProbeResult {
  readonly step: ProbeStep
  readonly verdict: Verdict
  readonly durationMs: number
  /** In words: what was found, or why it failed or was skipped. */
  readonly message: string
  /** Of a step that failed. */
  readonly error: ErrorReport | null
  /** Figures: `bytesUp` and `bytesDown` a second, `clockMs` ahead of ours, `freeBytes`. */
  readonly figures: Readonly<Record<string, number>>
}

/** What a test of one target came to. */
export interface TargetTest {
  readonly target: TargetId
  readonly kind: string
  /** All of them, in their order. */
  readonly steps: readonly ProbeResult[]
  /** Probes that are still there, by key: the place does not let them go. */
  readonly leftovers: readonly string[]
}

/** The worst that was found. */
export function verdictOf({ steps }: Pick<TargetTest, 'steps'>): Exclude<Verdict, 'skipped'> {
  if (steps.some(({ verdict }) => verdict === 'failed')) return 'failed'
  return steps.some(({ verdict }) => verdict === 'warn') ? 'warn' : 'ok'
}

/** Another clock may be so far from ours without a word, in milliseconds. */
const CLOCK_WARN = 60_000
/** Beyond this a bucket refuses what is signed here. */
const CLOCK_LIMIT = 15 * 60_000
/** Kinds whose requests carry the time. */
const SIGNED: ReadonlySet<string> = new Set(['s3', 'r2', 'b2'])

/** What to think of a clock that is `difference` milliseconds ahead of ours, or behind. */
export function clockVerdict(kind: string, difference: number): Exclude<Verdict, 'skipped'> {
  const far = Math.abs(difference)
  if (far > CLOCK_LIMIT && SIGNED.has(kind)) return 'failed'
  return far > CLOCK_WARN ? 'warn' : 'ok'
}

/**
 * How far a clock is ahead that told `at` for what happened between `begun` and `ended` of ours; a
 * second of either side is the least that places tell.
 */
export function clockDifference(at: Instant, begun: Instant, ended: Instant): number {
  const TOLD = 1000
  if (at > ended + TOLD) return at - ended
  return at < begun - TOLD ? at - begun : 0
}
