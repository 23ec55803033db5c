import type { Backup, Bytes, DesiredJob, Instant, Millis } from '../core/model.ts'

/** What the history tells of one job, as far as it was read. */
export interface JobPast {
  /** When the source that waits longest last succeeded; null when one of them never did. */
  readonly lastSuccessAt: Instant | null
  /** When each source that ever did last succeeded, by name. */
  readonly successes: ReadonlyMap<string, Instant>
  /** When the newest attempt that ended did. */
  readonly lastAttemptAt: Instant | null
  /** How long the newest attempts of all its sources took together. */
  readonly lastDuration: Millis | null
  /** Stored bytes of the newest successes of all its sources together. */
  readonly lastBytes: Bytes | null
  /** Sources whose newest attempt failed. */
  readonly failing: number
}

/** Sums up attempts as they are seen; to be told of the same one twice changes nothing. */
export interface Past {
  learn(backups: readonly Backup[]): void
  of(job: DesiredJob): JobPast
}

interface SourcePast {
  success: Backup | null
  attempt: Backup | null
}

/** A past of which nothing is known yet. */
export function createPast(): Past {
  const jobs = new Map<string, Map<string, SourcePast>>()
  const seenOf = ({ job, source }: Backup): SourcePast => {
    const sources = jobs.get(job) ?? new Map<string, SourcePast>()
    const seen = sources.get(source) ?? { success: null, attempt: null }
    jobs.set(job, sources.set(source, seen))
    return seen
  }
  return {
    learn(backups) {
      for (const backup of backups) {
        if (backup.status !== 'success' && backup.status !== 'failed') continue
        const seen = seenOf(backup)
        if (isNewer(backup, seen.attempt)) seen.attempt = backup
        if (backup.status === 'success' && isNewer(backup, seen.success)) seen.success = backup
      }
    },
    of({ id, sources }) {
      const known = jobs.get(id)
      return sumUp(sources.map(({ name }) => known?.get(name) ?? { success: null, attempt: null }))
    },
  }
}

/** By its begin; of equal ones what is told later is newer: the same attempt, further on. */
function isNewer(backup: Backup, known: Backup | null): boolean {
  return known === null || backup.startedAt >= known.startedAt
}

function sumUp(sources: readonly SourcePast[]): JobPast {
  const successes = sources.flatMap(({ success }) => (success ? [success] : []))
  const attempts = sources.flatMap(({ attempt }) => (attempt ? [attempt] : []))
  const ends = (some: readonly Backup[]) => some.map((one) => one.finishedAt ?? one.startedAt)
  const hasAll = sources.length > 0 && successes.length === sources.length
  return {
    successes: new Map(successes.map((one) => [one.source, one.finishedAt ?? one.startedAt])),
    lastSuccessAt: hasAll ? (Math.min(...ends(successes)) as Instant) : null,
    lastAttemptAt: attempts.length > 0 ? (Math.max(...ends(attempts)) as Instant) : null,
    lastDuration: attempts.length > 0 ? (sum(attempts.map(durationOf)) as Millis) : null,
    lastBytes: hasAll ? (sum(successes.map((one) => one.storedBytes ?? 0)) as Bytes) : null,
    failing: attempts.filter(({ status }) => status === 'failed').length,
  }
}

function durationOf({ startedAt, finishedAt }: Backup): number {
  return (finishedAt ?? startedAt) - startedAt
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
