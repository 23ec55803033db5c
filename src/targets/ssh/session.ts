import type { Socket } from 'node:net'
import type { Client, SFTPWrapper } from 'ssh2'
import { formatSeconds, type SshLimits } from './limits.ts'
import { ConnectionLost, SftpRefusal, UNSUPPORTED } from './refusal.ts'

/** Takes the answer of one request. */
export type Answer<T> = (error: Error | null | undefined, value: T) => void

/** One connection with its one SFTP channel, shared by whoever works on it. */
export interface Session {
  /** Whether the server says that it is OpenSSH, or dropbear, which has the SFTP of OpenSSH. */
  readonly isOpenSsh: boolean
  /**
   * The answer to what `send` asks. Rejects with `SftpRefusal` for the server's no, and with
   * `ConnectionLost` when none will come: the connection ended, or has been silent too long.
   */
  ask<T>(send: (sftp: SFTPWrapper, answer: Answer<T>) => void, patience?: number): Promise<T>
  /** Why it cannot be used any more, or null. */
  lost(): ConnectionLost | null
  onLost(tell: () => void): void
  /** Nobody waits for it now: it does not keep the process alive. */
  rest(): void
  wake(): void
  /** Says goodbye. */
  end(): void
}

interface Waiting {
  readonly reject: (error: Error) => void
  readonly since: number
  readonly patience: number
  /** When a request that was sent after it was answered first; null before that. */
  overtakenAt: number | null
}

/**
 * So many times its patience a request waits once a later one was answered. A large read or write
 * takes several packets in turn, which others pass on a slow link.
 */
const OVERTAKEN = 5

/** A session on a connection that is ready. From here on the session watches over it. */
export function openSession(
  client: Client,
  socket: Socket,
  sftp: SFTPWrapper,
  limits: SshLimits,
): Session {
  const waiting = new Set<Waiting>()
  const tellers: (() => void)[] = []
  let gone: ConnectionLost | null = null
  let answeredAt = performance.now()

  const lose = (why: string) => {
    if (gone) return
    gone = new ConnectionLost(why)
    watch.stop()
    client.destroy()
    for (const { reject } of waiting) reject(gone)
    waiting.clear()
    for (const tell of tellers) tell()
  }
  const watch = watchOver(client, socket, limits, {
    isBusy: () => waiting.size > 0,
    overdue: () => overdue(waiting, answeredAt),
    lose,
  })
  client.on('error', (error) => lose(`the connection broke: ${error.message}`))
  client.on('close', () => lose('the connection was cut'))
  client.on('end', () => lose('the host closed the connection'))
  sftp.on('error', (error: Error) => lose(`the SFTP server spoke nonsense: ${error.message}`))
  sftp.on('close', () => lose('the SFTP server ended'))

  return {
    isOpenSsh: (sftp as { readonly _isOpenSSH?: unknown })._isOpenSSH === true,
    ask: (send, patience = limits.answer) =>
      new Promise((resolve, reject) => {
        if (gone) return reject(gone)
        if (waiting.size === 0) watch.begin()
        const one: Waiting = { reject, since: performance.now(), patience, overtakenAt: null }
        waiting.add(one)
        const answer: Answer<never> = (error, value) => {
          answeredAt = performance.now()
          overtake(waiting, one, answeredAt)
          waiting.delete(one)
          if (error) reject(told(error))
          else resolve(value)
        }
        // A request of many packets goes out in one system call.
        socket.cork()
        try {
          send(sftp, answer as Answer<unknown> as never)
        } catch (error) {
          waiting.delete(one)
          reject(notOffered(error))
        } finally {
          socket.uncork()
        }
      }),
    lost: () => gone,
    onLost: (tell) => (gone ? tell() : void tellers.push(tell)),
    rest: () => void socket.unref(),
    wake: () => void socket.ref(),
    end: () => {
      client.end()
      lose('it was put away')
    },
  }
}

/** Marks those that were sent before `one`, which is answered. */
function overtake(waiting: ReadonlySet<Waiting>, one: Waiting, at: number): void {
  for (const other of waiting) {
    if (other === one) return
    other.overtakenAt ??= at
  }
}

/**
 * The patience that is used up: of all that waits, when nothing was answered for that long; or of
 * one that was forgotten while others are answered. A link that is slow, but moves, makes neither.
 */
function overdue(waiting: ReadonlySet<Waiting>, answeredAt: number): number | null {
  if (waiting.size === 0) return null
  const all = [...waiting]
  const now = performance.now()
  for (const { overtakenAt, patience } of all) {
    if (overtakenAt !== null && now - overtakenAt > OVERTAKEN * patience) {
      return OVERTAKEN * patience
    }
  }
  const patience = Math.max(...all.map((one) => one.patience))
  const since = Math.max(answeredAt, Math.min(...all.map((one) => one.since)))
  return now - since > patience ? patience : null
}

function told(error: Error): Error {
  const { code } = error as { code?: unknown }
  return typeof code === 'number'
    ? new SftpRefusal(code, error.message)
    : new ConnectionLost(`the connection was cut: ${error.message}`)
}

/** ssh2 throws when the server has not offered an extension, and when it has no connection. */
function notOffered(error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error)
  return /does not support/.test(message) ? new SftpRefusal(UNSUPPORTED, message) : (error as Error)
}

interface Watched {
  readonly isBusy: () => boolean
  /** The patience that was used up by a request, or null. */
  readonly overdue: () => number | null
  readonly lose: (why: string) => void
}

/**
 * Loses a connection on which somebody waits and nothing comes back. Two silences are told apart: of
 * the host, which answers a question of our own even while its disk is slow; and of its SFTP server.
 */
function watchOver(client: Client, socket: Socket, limits: SshLimits, watched: Watched) {
  let heard = socket.bytesRead
  let heardAt = performance.now()
  const look = () => {
    if (!watched.isBusy()) return
    const now = performance.now()
    if (socket.bytesRead !== heard) {
      heard = socket.bytesRead
      heardAt = now
    } else if (now - heardAt > limits.silence) {
      return watched.lose(`the host has not answered for ${formatSeconds(limits.silence)}`)
    }
    const patience = watched.overdue()
    if (patience !== null) {
      return watched.lose(`its SFTP server has not answered for ${formatSeconds(patience)}`)
    }
    try {
      // Every server must answer it, if only with a no. A keepalive of ssh2's own would hold the process.
      client.openssh_noMoreSessions(() => {})
    } catch {
      // The host has said goodbye, and its end of the connection is still to come, or lost on the way.
      watched.lose('the host closed the connection')
    }
  }
  const timer = setInterval(look, limits.silence / 4).unref()
  return {
    begin() {
      heard = socket.bytesRead
      heardAt = performance.now()
    },
    stop: () => clearInterval(timer),
  }
}
