import type { Readable, Writable } from 'node:stream'
import { ProgramFailed, TimeLimit } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration } from '../lib/time.ts'
import { startFailure } from './find-program.ts'
import { type ChildStdio, type RunningProgram, startProgram } from './processes.ts'

export { findProgram, programsOnPath } from './find-program.ts'
export { STDERR_LINES } from './line-tail.ts'

/** A program to run: argv only, never a shell. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  /** Added to the inherited environment, `undefined` taken out of it. Secrets go here or to stdin, never into `args`. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

/** How a program ended. Whoever asked for it judges. */
export interface Exit {
  readonly command: string
  readonly code: number | null
  readonly signal: string | null
  /** Lines of stderr, at most `STDERR_LINES`; the first ones and the last ones when there were more. */
  readonly stderr: readonly string[]
  /** How many lines there were in all. */
  readonly stderrTotal: number
}

export interface ChainOptions {
  /** What the first program reads: nothing, a file descriptor (which stays the caller's to close), or us. */
  readonly stdin: null | number | 'pipe'
  /** Where the last program writes: to us (default), nowhere, or to a file descriptor. */
  readonly stdout?: 'pipe' | 'ignore' | number
  /** Added niceness, 0 to 19. */
  readonly nice?: number
  /** Told of every line of stderr as it comes, also of those that `Exit` leaves out. */
  readonly onStderrLine?: (line: string, program: number) => void
  readonly signal: AbortSignal
}

/** Programs that run, each one's output joined to the next one's input by the kernel. */
export interface Chain {
  /** Ours to write and to end, when asked for. A reader that is gone closes it, without an error. */
  readonly stdin: Writable | null
  /** Ours to read, unless it goes elsewhere. An abort destroys it with the signal's reason. */
  readonly stdout: Readable | null
  readonly pids: readonly number[]
  /** Resolves once all have ended and are reaped, in the order started. Never rejects. */
  readonly exits: Promise<readonly Exit[]>
  /** Ends all of them, SIGTERM first; resolves once they are reaped. Harmless when they have ended. */
  stop(): Promise<readonly Exit[]>
}

export interface RunOptions {
  /** Milliseconds, after which the program is ended and `TimeLimit` thrown. */
  readonly timeLimit: number
  /** Written to its stdin, which is empty otherwise. */
  readonly input?: string | Uint8Array
  /** A file descriptor to read instead, which stays the caller's to close. */
  readonly stdin?: number
  /** Bytes of stdout, 1 MiB unless told; a program that prints more is ended. */
  readonly maxOutput?: number
  /** Added niceness, 0 to 19. */
  readonly nice?: number
  readonly signal: AbortSignal
}

export interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly exit: Exit
}

/**
 * Runs a short program to its end. Resolves whatever its exit code, which the caller judges
 * (`mustSucceed`). Throws `ProgramFailed` when it cannot start or prints too much, `TimeLimit`, or
 * the signal's reason; the program is reaped by then.
 */
export async function run(program: Program, options: RunOptions): Promise<Output> {
  const limit = new AbortController()
  const timer = setTimeout(() => {
    const after = formatDuration(options.timeLimit)
    limit.abort(new TimeLimit(`${program.command} did not end within ${after}`))
  }, options.timeLimit)
  const max = options.maxOutput ?? 2 ** 20
  const tooMuch = () =>
    limit.abort(
      new ProgramFailed(program.command, { how: `printed more than ${formatBytes(max)}` }),
    )
  const signal = AbortSignal.any([options.signal, limit.signal])
  try {
    const chain = await startChain([program], {
      stdin: options.input === undefined ? (options.stdin ?? null) : 'pipe',
      nice: options.nice ?? 0,
      signal,
    })
    chain.stdin?.end(options.input)
    const stdout = await collect(chain, max, tooMuch)
    const [exit] = await chain.exits
    signal.throwIfAborted()
    if (!exit) throw new ProgramFailed(program.command, { how: 'was not started' })
    return { stdout, stderr: exit.stderr.join('\n'), exit }
  } finally {
    clearTimeout(timer)
  }
}

async function collect(chain: Chain, max: number, tooMuch: () => void): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of chain.stdout ?? []) {
      bytes += chunk.length
      if (bytes > max) tooMuch()
      else chunks.push(chunk)
    }
  } catch (cause) {
    await chain.stop()
    throw cause
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The failure that an exit is, or null for an exit code of 0. */
export function failureOf(exit: Exit): ProgramFailed | null {
  if (exit.code === 0) return null
  const how =
    exit.signal === null ? `ended with exit code ${exit.code}` : `was killed by ${exit.signal}`
  const tail = exit.stderr.slice(-5).join('; ').slice(-1000)
  return new ProgramFailed(exit.command, { how, exitCode: exit.code, tail })
}

/** Throws `ProgramFailed` unless the exit code is 0. */
export function mustSucceed(exit: Exit): void {
  const failure = failureOf(exit)
  if (failure) throw failure
}

/**
 * Starts programs joined by the kernel; resolves once all of them run. Throws `ProgramFailed` when
 * one cannot be started, with none left running. An abort ends them all.
 */
export async function startChain(
  programs: readonly Program[],
  options: ChainOptions,
): Promise<Chain> {
  options.signal.throwIfAborted()
  const running: RunningProgram[] = []
  try {
    // All in one turn of the event loop: we must not read a byte of what is handed over.
    for (const [index, program] of programs.entries()) {
      const last = index === programs.length - 1
      const stdio: ChildStdio = {
        stdin: index === 0 ? (options.stdin ?? 'ignore') : (running[index - 1]?.stdout ?? 'ignore'),
        stdout: last ? (options.stdout ?? 'pipe') : 'pipe',
      }
      const onLine = (line: string) => options.onStderrLine?.(line, index)
      running.push(startProgram(program, stdio, options.nice ?? 0, onLine))
      // A copy left open here would hide the writer's end from the reader, and the other way round.
      running[index - 1]?.stdout?.destroy()
      if (running[index]?.pid === -1) break
    }
    await Promise.all(running.map((program) => program.started))
  } catch (cause) {
    await endAll(running)
    const culprit = programs[running.findIndex(({ pid }) => pid === -1)] ?? programs[running.length]
    throw culprit ? await startFailure(culprit, cause) : cause
  }
  return chainOf(running, options.signal)
}

async function endAll(running: readonly RunningProgram[]): Promise<readonly Exit[]> {
  // The last one first, so that none takes the death of the one before for the end of its input.
  for (const program of running.toReversed()) program.stop()
  running[0]?.stdin?.destroy()
  running.at(-1)?.stdout?.destroy()
  return await Promise.all(running.map((program) => program.ended))
}

function chainOf(running: readonly RunningProgram[], signal: AbortSignal): Chain {
  const stdout = running.at(-1)?.stdout ?? null
  const exits = Promise.all(running.map((program) => program.ended))
  const onAbort = () => {
    stdout?.destroy(asError(signal.reason))
    void endAll(running)
  }
  const forget = () => signal.removeEventListener('abort', onAbort)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  // The output may still be read after its writer's end: until then an abort must reach its reader.
  stdout?.on('error', () => {})
  void exits.then(() => {
    if (!stdout || stdout.closed) forget()
    else stdout.once('close', forget)
  })
  return {
    stdin: running[0]?.stdin ?? null,
    stdout,
    pids: running.map((program) => program.pid),
    exits,
    stop: () => endAll(running),
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

/**
 * Writes a chunk to a program; resolves once it takes more, to false when it reads no further. Its
 * exit tells why. `onWritten` is called when the chunk's memory is not needed any more.
 */
export function offer(
  stdin: Writable,
  chunk: Uint8Array,
  onWritten: () => void = () => {},
): Promise<boolean> | boolean {
  if (stdin.destroyed || stdin.writableEnded) return false
  if (stdin.write(chunk, onWritten)) return true
  return new Promise((resolve) => {
    const settle = () => {
      stdin.off('drain', settle)
      stdin.off('close', settle)
      resolve(!stdin.destroyed)
    }
    stdin.once('drain', settle)
    stdin.once('close', settle)
  })
}
