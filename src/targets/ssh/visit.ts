import { startTimer, unlessAborted } from '../../lib/limits.ts'
import { trouble } from './errors.ts'
import type { SshLimits } from './limits.ts'
import type { Place } from './place.ts'
import type { Lease } from './pool.ts'
import { sftpOf } from './sftp.ts'

/** A target, and how to get to it. */
export interface Way {
  readonly label: string
  readonly root: string
  readonly limits: SshLimits
  readonly lease: () => Promise<Lease>
}

/** A connection that one piece of work has. */
export interface Stay {
  readonly place: Place
  /** What an error of the server means for the attempt; any other error is itself. */
  readonly meant: (error: unknown) => Promise<unknown>
  readonly isLost: () => boolean
  readonly leave: () => void
  /** Leaves once `work` is over. One that does not end soon leaves the connection in doubt. */
  readonly leaveAfter: (work: Promise<unknown>) => void
}

export interface Visits {
  readonly limits: SshLimits
  readonly label: string
  /** Rejects at once with the signal's reason, and with what keeps us from the place. */
  stay(what: string, signal: AbortSignal): Promise<Stay>
  /** A stay for `work` alone, whose errors are told as what they mean. */
  visit<T>(what: string, signal: AbortSignal, work: (place: Place) => Promise<T>): Promise<T>
}

export function makeVisits({ label, root, limits, lease }: Way): Visits {
  const stay: Visits['stay'] = async (what, signal) => {
    signal.throwIfAborted()
    const leasing = lease()
    const leased = await unlessAborted(leasing, signal).catch((error: unknown) => {
      leasing.then((late) => late[Symbol.dispose]()).catch(() => {})
      throw error
    })
    const { session, abandon, [Symbol.dispose]: leave } = leased
    const sftp = sftpOf(session, limits.sync)
    const meant = (error: unknown) => trouble({ label, folder: root || '/', what }, sftp, error)
    return {
      place: { root, sftp },
      meant,
      isLost: () => session.lost() !== null,
      leave,
      leaveAfter: (work) => {
        const timer = startTimer(limits.tidyUp, abandon).unref()
        const end = () => {
          timer.cancel()
          leave()
        }
        work.then(end, end)
      },
    }
  }
  return {
    limits,
    label,
    stay,
    async visit(what, signal, work) {
      const { place, meant, leaveAfter } = await stay(what, signal)
      const working = work(place)
      try {
        return await unlessAborted(working, signal)
      } catch (error) {
        throw await meant(error)
      } finally {
        leaveAfter(working)
      }
    },
  }
}
