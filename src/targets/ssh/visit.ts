import { unlessAborted } from '../../lib/limits.ts'
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
  /** Ends the connection for everybody. */
  readonly drop: () => void
  readonly leave: () => void
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
    const { session, [Symbol.dispose]: leave } = await unlessAborted(leasing, signal).catch(
      (error: unknown) => {
        leasing.then((late) => late[Symbol.dispose]()).catch(() => {})
        throw error
      },
    )
    const sftp = sftpOf(session, limits.sync)
    const meant = (error: unknown) => trouble({ label, folder: root || '/', what }, sftp, error)
    return {
      place: { root, sftp },
      meant,
      isLost: () => session.lost() !== null,
      drop: session.end,
      leave,
    }
  }
  return {
    limits,
    label,
    stay,
    async visit(what, signal, work) {
      const { place, meant, leave } = await stay(what, signal)
      // The connection is busy until the answers came, whoever waits for them.
      const working = work(place).finally(leave)
      return await unlessAborted(working, signal).catch(async (error: unknown) => {
        throw await meant(error)
      })
    },
  }
}
