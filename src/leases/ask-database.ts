import type { Report } from '../core/event.ts'
import type { Instant } from '../core/model.ts'
import { messageOf, StateRefused } from '../lib/errors.ts'
import { type Reach, watchReach } from './reach.ts'
import { within } from './within.ts'

/** Asks the database within its limit. Throws `StateRefused` when it does not answer. */
export type AskDatabase = <T>(
  what: string,
  question: () => Promise<T>,
  late?: (value: T) => unknown,
) => Promise<T>

/** Notes at each question whether the database is there. */
export function databaseAsker(database: Reach, limit: number): AskDatabase {
  return async (what, question, late) => {
    const askedAt = performance.now()
    try {
      const value = await within(question(), limit, 'the database', late)
      database.reached()
      return value
    } catch (error) {
      database.away(error, askedAt)
      if (error instanceof StateRefused) throw error
      throw new StateRefused(`cannot ${what}: ${messageOf(error)}`, { cause: error })
    }
  }
}

/** Tells once when the database is lost, and once when it is back. */
export function watchDatabase(report: Report, now: () => Instant): Reach {
  return watchReach({
    report,
    now,
    settle: 0,
    lost: {
      event: 'state.lost',
      level: 'error',
      message:
        'cannot reach the database: nothing new is begun, and what runs waits for it before it commits',
    },
    back: { event: 'state.back', level: 'info', message: 'the database answers again' },
  })
}
