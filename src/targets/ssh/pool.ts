import { startTimer, type Timer } from '../../lib/limits.ts'
import type { SshLimits } from './limits.ts'
import type { Session } from './session.ts'

/** Below what sshd takes at a time of those that it does not know yet (MaxStartups 10). */
const MOST = 4

/** A session for one piece of work; shared with others when there are many. */
export interface Lease extends Disposable {
  readonly session: Session
  /** Leaves it in doubt: nobody gets it any more, and it ends with the last of its other users. */
  abandon(): void
}

/** Connections of this process, by the name of what they lead to. */
export interface Pool {
  /** Rejects with the failure of `open`. */
  lease(name: string, open: () => Promise<Session>): Promise<Lease>
}

interface Connection {
  readonly opening: Promise<Session>
  users: number
  isDoubtful: boolean
  idle: Timer | null
}

/** Connections end by themselves when nobody has used them for a while, and never keep the process. */
export function makePool({ idle }: Pick<SshLimits, 'idle'>): Pool {
  const all = new Map<string, Set<Connection>>()

  function add(name: string, open: () => Promise<Session>): Connection {
    const connection: Connection = { opening: open(), users: 0, isDoubtful: false, idle: null }
    const siblings = all.get(name) ?? new Set()
    all.set(name, siblings.add(connection))
    const forget = () => {
      siblings.delete(connection)
      if (siblings.size === 0) all.delete(name)
    }
    connection.opening.then((session) => session.onLost(forget), forget)
    return connection
  }

  return {
    async lease(name, open) {
      const siblings = [...(all.get(name) ?? [])].filter(({ isDoubtful }) => !isDoubtful)
      const [least] = siblings.sort((a, b) => a.users - b.users)
      const connection =
        least && (least.users === 0 || siblings.length >= MOST) ? least : add(name, open)
      connection.users++
      connection.idle?.cancel()
      const release = (session: Session | null) => {
        connection.users--
        if (connection.users > 0 || !session || session.lost()) return
        if (connection.isDoubtful) return session.end()
        session.rest()
        connection.idle = startTimer(idle, () => session.end()).unref()
      }
      try {
        const session = await connection.opening
        session.wake()
        const leave = once(() => release(session))
        return {
          session,
          abandon: () => {
            connection.isDoubtful = true
            leave()
          },
          [Symbol.dispose]: leave,
        }
      } catch (error) {
        release(null)
        throw error
      }
    },
  }
}

function once(act: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    act()
  }
}
