import type { Instant } from '../core/model.ts'
import type { Votes } from './votes.ts'

/** Keeps a Vardo and a Holdfast on one Redis from firing the same slot. */
export interface SlotLock {
  /** Never throws; `unknown`: Redis is away, and the database alone decides. */
  takeSlot(slot: Slot): Promise<'taken' | 'vardo' | 'unknown'>
}

export interface Slot {
  /** The job's id in Vardo, or else its id here. */
  readonly job: string
  readonly at: Instant
}

/** Vardo's own: a little longer than the minute that it stands for. It is never let go of. */
const LASTS = 61_000
const OURS = 'holdfast:'

/**
 * Vardo's lock of a slot, `lock:backup:{job}:{minutes since 1970}`. One that another instance of
 * ours left stops nobody: who asks holds the lease of the job, and takes over from that one.
 */
export function slotLock(votes: Pick<Votes, 'takeKey'>, instance: string): SlotLock {
  return {
    async takeSlot({ job, at }) {
      const key = `lock:backup:${job}:${Math.floor(at / 60_000)}`
      const got = await votes.takeKey(key, `${OURS}${instance}`, LASTS)
      switch (got.kind) {
        case 'taken':
          return 'taken'
        case 'away':
          return 'unknown'
        case 'held':
          return got.value.startsWith(OURS) ? 'taken' : 'vardo'
      }
    },
  }
}
