import { LeaseLost } from '../lib/errors.ts'
import { startTimer, type Timer } from '../lib/limits.ts'
import type { Vote } from './votes.ts'

/** How long things may take, in milliseconds. */
export interface LeaseLimits {
  /** A lease that nobody renews ends after this. */
  readonly ttl: number
  /** So long the work goes on while Redis alone vouches for it. */
  readonly patience: number
  /** How long one question to the database may take. */
  readonly call: number
}

/**
 * A lease that this instance holds, and what proves that it does.
 *
 * It is good for a little less than a `ttl` after the database or Redis last renewed it, and for
 * `patience` after the database did. Then it is lost, by a clock that goes on while the process is
 * stopped: of one that wakes up too late, `check` says so before anything is committed.
 */
export interface Holding {
  readonly name: string
  readonly fence: number
  readonly signal: AbortSignal
  /** The lock in Redis, while there is one. */
  vote: Vote | null
  /** The database renewed it; it was asked at that `performance.now()`. */
  proven(askedAt: number): void
  /** Redis did. */
  vouched(askedAt: number): void
  lose(why: string): void
  /** Loses it when its time is over. Throws `LeaseLost` when it is lost or was let go of. */
  check(): void
  /** Nothing is renewed any more. False when it was let go of before. */
  letGo(): boolean
  /** Whether it is lost, or was let go of; loses it, too, when its time is over. */
  isOver(): boolean
}

export interface Grant {
  readonly name: string
  readonly fence: number
  readonly vote: Vote | null
  /** `performance.now()` before the database was asked for it. */
  readonly askedAt: number
}

/** We end it so much before others may have it: clocks run apart, and timers are late. */
const MARGIN = 0.05

export function holdingOf(grant: Grant, { ttl, patience }: LeaseLimits): Holding {
  const { name, fence } = grant
  const lost = new AbortController()
  const good = ttl * (1 - MARGIN)
  let provenAt = grant.askedAt
  let vouchedAt = grant.askedAt
  let isGone = false
  let timer: Timer | null = null
  const renewedAt = () => Math.max(provenAt, vouchedAt)
  const endsAt = () => Math.min(renewedAt() + good, provenAt + patience)
  const whyOver = () =>
    renewedAt() + good <= provenAt + patience
      ? 'nobody could renew it in time'
      : 'the database could not be reached for too long'
  const lose = (why: string) => {
    timer?.cancel()
    if (!isGone) lost.abort(new LeaseLost(name, { why }))
  }
  const loseIfOver = () => {
    if (!lost.signal.aborted && performance.now() >= endsAt()) lose(whyOver())
  }
  const watch = () => {
    loseIfOver()
    if (isGone || lost.signal.aborted) return
    timer = startTimer(Math.ceil(endsAt() - performance.now()), watch).unref()
  }
  watch()
  return {
    name,
    fence,
    signal: lost.signal,
    vote: grant.vote,
    proven(askedAt) {
      provenAt = Math.max(provenAt, askedAt)
    },
    vouched(askedAt) {
      vouchedAt = Math.max(vouchedAt, askedAt)
    },
    lose,
    check() {
      if (isGone) throw new LeaseLost(name, { why: 'it was let go of' })
      loseIfOver()
      lost.signal.throwIfAborted()
    },
    letGo() {
      timer?.cancel()
      const isFirst = !isGone
      isGone = true
      return isFirst
    },
    isOver() {
      loseIfOver()
      return isGone || lost.signal.aborted
    },
  }
}
