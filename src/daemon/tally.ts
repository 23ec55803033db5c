import type { Event } from '../core/event.ts'
import type { Instant } from '../core/model.ts'

/** What was seen of Redis: nothing until the first trouble with it. */
export interface RedisTally {
  readonly isThere: boolean
  readonly losses: number
  /** Times that another server became the primary. */
  readonly failovers: number
}

const NO_TROUBLE: RedisTally = { isThere: true, losses: 0, failovers: 0 }

/** What the events of this process taught since it began. */
export interface Tally {
  readonly config: ConfigSeen
  /** Ended attempts by job, then by result. */
  readonly backups: Counts
  /** Attempts of this process under way, by id. */
  readonly running: ReadonlySet<string>
  /** Read-throughs of copies by target, then by result. */
  readonly verifies: Counts
  /** The newest verify, by job, then by target. */
  readonly verified: ReadonlyMap<string, ReadonlyMap<string, Outcome>>
  /** Notifications by channel, then by result. */
  readonly notifications: Counts
  /** The newest try, by channel. */
  readonly channels: ReadonlyMap<string, Outcome>
  /** Null: no event told of it. */
  readonly redis: RedisTally | null
}

/** How something went, and when. */
export interface Outcome {
  readonly isWell: boolean
  readonly at: Instant
}

export interface ConfigSeen {
  /** Null: the file as it is now is the one that runs. */
  readonly rejected: string | null
  /** When the file was last read and taken. */
  readonly takenAt: Instant | null
}

export type Counts = ReadonlyMap<string, ReadonlyMap<string, number>>

export const BACKUP_RESULTS = ['success', 'failed', 'skipped', 'abandoned'] as const
export const RESULTS = ['success', 'failed'] as const

/** The tally as it is kept. */
interface Sheet {
  config: ConfigSeen
  readonly backups: Map<string, Map<string, number>>
  readonly running: Set<string>
  readonly verifies: Map<string, Map<string, number>>
  readonly verified: Map<string, Map<string, Outcome>>
  readonly notifications: Map<string, Map<string, number>>
  readonly channels: Map<string, Outcome>
  redis: Tally['redis']
}

/** A tally, and how it learns. */
export interface Tallying {
  readonly tally: Tally
  hear(event: Event): void
  /** How the newest verify of before this process went; what it heard itself stands. */
  remember(job: string, target: string, outcome: Outcome): void
  /** These attempts do not run: their end may have been told elsewhere, or by nobody. */
  ended(backups: Iterable<string>): void
}

/** An empty tally. */
export function createTally(now: () => Instant): Tallying {
  const sheet: Sheet = {
    config: { rejected: null, takenAt: null },
    backups: new Map(),
    running: new Set(),
    verifies: new Map(),
    verified: new Map(),
    notifications: new Map(),
    channels: new Map(),
    redis: null,
  }
  return {
    tally: sheet,
    hear: (event) => LESSONS[event.event]?.(sheet, event, now()),
    remember(job, target, outcome) {
      if (!sheet.verified.get(job)?.has(target)) tellVerified(sheet, { job, target }, outcome)
    },
    ended(backups) {
      for (const backup of backups) sheet.running.delete(backup)
    },
  }
}

type Lesson = (sheet: Sheet, event: Event, now: Instant) => void

/** What each event teaches; all others teach nothing. */
const LESSONS: Readonly<Record<string, Lesson>> = {
  'config.loaded': taken,
  'config.reloaded': taken,
  'config.rejected': (sheet, { message }) => {
    sheet.config = { ...sheet.config, rejected: message }
  },
  'backup.started': (sheet, { backup = '' }) => void sheet.running.add(backup),
  'backup.done': ended('success'),
  'backup.failed': ended('failed'),
  'backup.skipped': ended('skipped'),
  'backup.abandoned': ended('abandoned'),
  'verify.done': verified('success'),
  'verify.failed': verified('failed'),
  'notify.done': notified('success'),
  'notify.failed': notified('failed'),
  'redis.lost': (sheet) => {
    const { losses, failovers } = sheet.redis ?? NO_TROUBLE
    sheet.redis = { isThere: false, losses: losses + 1, failovers }
  },
  'redis.back': (sheet) => {
    sheet.redis = { ...(sheet.redis ?? NO_TROUBLE), isThere: true }
  },
  'redis.failover': (sheet) => {
    const before = sheet.redis ?? NO_TROUBLE
    sheet.redis = { ...before, failovers: before.failovers + 1 }
  },
}

function taken(sheet: Sheet, _event: Event, now: Instant): void {
  sheet.config = { rejected: null, takenAt: now }
}

function ended(result: (typeof BACKUP_RESULTS)[number]): Lesson {
  return (sheet, { job = '', backup = '' }) => {
    sheet.running.delete(backup)
    count(sheet.backups, job, result)
  }
}

function verified(result: (typeof RESULTS)[number]): Lesson {
  return (sheet, { job = '', target = '' }, at) => {
    count(sheet.verifies, target, result)
    tellVerified(sheet, { job, target }, { isWell: result === 'success', at })
  }
}

function tellVerified(
  { verified }: Sheet,
  { job, target }: { readonly job: string; readonly target: string },
  outcome: Outcome,
): void {
  const targets = verified.get(job) ?? new Map<string, Outcome>()
  verified.set(job, targets.set(target, outcome))
}

function notified(result: (typeof RESULTS)[number]): Lesson {
  return (sheet, { detail }, at) => {
    // One that could not even be noted was for no channel in particular.
    const channel = typeof detail?.channel === 'string' ? detail.channel : ''
    count(sheet.notifications, channel, result)
    if (channel !== '') sheet.channels.set(channel, { isWell: result === 'success', at })
  }
}

function count(counts: Map<string, Map<string, number>>, name: string, result: string): void {
  const own = counts.get(name) ?? new Map<string, number>()
  counts.set(name, own.set(result, (own.get(result) ?? 0) + 1))
}
