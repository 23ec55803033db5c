import type { Reach } from '../reach.ts'
import type { RedisClient } from './client.ts'
import { isLocked } from './locks.ts'

/** Asks Redis something, and never throws. `locked`: another lock stands in the way, or ours is gone. */
export type Ask = <T>(
  work: () => Promise<T>,
  late?: (value: T) => unknown,
) => Promise<Answered<T> | { readonly kind: 'locked' } | { readonly kind: 'away' }>

export interface Answered<T> {
  readonly kind: 'answered'
  readonly value: T
}

/** Notes at each question whether Redis is there. */
export function askNoting(client: RedisClient, reach: Reach): Ask {
  return async (work, late) => {
    try {
      const value = await client.ask(work, late)
      reach.reached()
      return { kind: 'answered', value }
    } catch (error) {
      if (await isLocked(error)) {
        reach.reached()
        return { kind: 'locked' }
      }
      reach.away(error)
      return { kind: 'away' }
    }
  }
}
