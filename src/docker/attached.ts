import { type Duplex, type Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineUnreachable, SourceFailed, TimeLimit } from '../lib/errors.ts'
import { startTimer } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import { lineTail } from '../platform/line-tail.ts'
import type { Exit } from '../platform/program.ts'
import { demux } from './demux.ts'
import { ending, PACE, type Pace } from './ending.ts'

/** How long the engine may take to write down an end after it closed the stream, in milliseconds. */
const PROOF_LIMIT = 10_000
const LOG = 'see the log of the engine: journalctl -u docker'
/** Between looks at whether an end is written down. */
const LOOK_EVERY = 50

/** A program that runs in a container, with its streams at our end of a connection. */
export interface Attached {
  /**
   * Ours to write and to end, when asked for. Destroying it kills the program first: what a broken
   * source has not sent never looks like its end.
   */
  readonly stdin: Writable | null
  /** Ends only once the program's end is proven; an abort destroys it with the signal's reason. */
  readonly stdout: Readable
  /**
   * How it ended, whatever its exit code. Rejects with `EngineUnreachable` or `SourceFailed` when
   * that cannot be told, `TimeLimit`, or the signal's reason. Nobody has to listen.
   */
  readonly exit: Promise<Exit>
  /** Kills it; resolves once it has ended, or cannot be reached. Harmless when it has ended. */
  stop(): Promise<void>
}

/** What is known of a program by asking the engine. */
export interface Standing {
  readonly isRunning: boolean
  /** Null while it runs, and when the engine does not know. */
  readonly code: number | null
}

/** A program at the other end of a connection, and how to ask for it. */
export interface Attachment {
  /** Name for words: `pg_dump in shop-db`. */
  readonly name: string
  readonly connection: Duplex
  readonly hasStdin: boolean
  /** May throw: whoever is gone proves nothing. */
  standing(): Promise<Standing>
  /** Ends it in the container. May throw. */
  kill(): Promise<void>
}

export interface AttachOptions {
  /** Milliseconds until the program is killed and `TimeLimit` thrown; null for none. */
  readonly timeLimit: number | null
  readonly onStderrLine?: (line: string) => void
  readonly signal: AbortSignal
}

/**
 * Watches over a program until its end is proven.
 *
 * The engine closes the connection in the same way when the program is done, when its container was
 * killed and when the engine itself dies. So the end of the connection is only the moment to ask how
 * the program ended; with no answer it has failed, however much output there was.
 */
export function attach(
  attachment: Attachment,
  options: AttachOptions,
  pace: Pace = PACE,
): Attached {
  const { connection, name } = attachment
  const tail = lineTail(options.onStderrLine ?? (() => {}))
  const { stdout, isWhole } = demux(connection, (piece) => tail.push(piece))
  connection.on('error', () => {})
  const kill = killer(attachment)
  const over = new AbortController()
  const signal = AbortSignal.any([options.signal, over.signal])
  // Its reader hears of it; where nobody reads, `exit` tells.
  stdout.on('error', () => {})
  stdout.once('close', () => over.abort(new SourceFailed(`nobody reads what ${name} says`)))
  const limit = limitOf(name, options.timeLimit, over)
  const exit = settle()
  exit.catch(() => {})
  const fail = async (reason: Error) => {
    over.abort(reason)
    await exit.catch(() => {})
  }
  return {
    stdin: attachment.hasStdin ? inputOf(connection, fail) : null,
    stdout,
    exit,
    stop: () => fail(new SourceFailed(`${name} was stopped`)),
  }

  async function settle(): Promise<Exit> {
    try {
      if ((await ending(attachment, signal, pace)) === 'cut' || !isWhole()) {
        throw new EngineUnreachable(`the connection to ${name} was cut`, { hint: LOG })
      }
      const code = await proof(attachment, signal)
      tail.end()
      const stderr = [...tail.lines(), ...unspoken(code, tail.total())]
      stdout.push(null)
      // What is still to be written nobody will read.
      connection.destroy()
      return { command: name, code, signal: null, stderr, stderrTotal: tail.total() }
    } catch (error) {
      // Before anything closes: what is still reading would take it for the end of its input.
      if (attachment.hasStdin) await kill()
      stdout.destroy(error as Error)
      await kill()
      throw error
    } finally {
      limit?.cancel()
    }
  }
}

function limitOf(name: string, millis: number | null, over: AbortController) {
  if (millis === null) return null
  return startTimer(millis, () =>
    over.abort(new TimeLimit(`${name} did not end within ${formatDuration(millis)}`)),
  )
}

/** The exit code, as the engine has written it down. */
async function proof({ name, standing }: Attachment, signal: AbortSignal): Promise<number> {
  const limit = performance.now() + PROOF_LIMIT
  for (;;) {
    signal.throwIfAborted()
    const { isRunning, code } = await standing()
    if (!isRunning && code !== null) return code
    if (!isRunning) throw new SourceFailed(`nobody knows how ${name} ended`)
    if (performance.now() > limit) {
      throw new EngineUnreachable(`the engine left ${name} alone while it runs`, {
        hint: LOG,
      })
    }
    await sleep(LOOK_EVERY)
  }
}

/** The engine writes such a complaint into stdout, among what should be a dump. */
function unspoken(code: number, lines: number): readonly string[] {
  if ((code !== 126 && code !== 127) || lines > 0) return []
  return ['the container has no such program, or cannot run it']
}

function killer({ connection, standing, kill }: Attachment): () => Promise<void> {
  let killing: Promise<void> | null = null
  const end = async () => {
    try {
      if ((await standing()).isRunning) await kill()
    } catch {
      // Whoever does not answer cannot be told to stop; with the engine gone its containers are too.
    } finally {
      connection.destroy()
    }
  }
  return () => {
    killing ??= end()
    return killing
  }
}

function inputOf(connection: Duplex, fail: (reason: Error) => Promise<void>): Writable {
  const stdin = new Writable({
    write: (chunk, _encoding, done) => {
      // A connection that closes calls nobody back; the event below does.
      if (connection.destroyed) done(new Error('the program reads no further'))
      else connection.write(chunk, done)
    },
    final: (done) => {
      connection.end(done)
    },
    destroy: (error, done) => {
      const isDone = error === null || connection.destroyed
      void (isDone ? Promise.resolve() : fail(error)).then(() => done(error))
    },
  })
  connection.once('close', () => stdin.destroy())
  // Its end shows in the exit; unheard, an EPIPE would end us.
  stdin.on('error', () => {})
  return stdin
}
