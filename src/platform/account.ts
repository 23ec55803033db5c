import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Exit, Program } from './program.ts'

/** What `supervise.ts` is told, in its environment: the program's own may hold secrets. */
export interface SuperviseTask {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly direction: 'output' | 'input'
  /** Bytes at the end of the output that the account is to repeat; 0 for none. */
  readonly tail: number
  /** Name for a pipe; free. */
  readonly fifo: string
  /** File that the account is written to. */
  readonly account: string
}

/** How a supervised program ended, and how much went through. */
export interface Account {
  readonly program: {
    readonly code: number | null
    readonly signal: string | null
    /** The system's code when it could not start. */
    readonly error: string | null
  }
  /** Bytes; null when they were not read, or not written, to their end. */
  readonly counted: number | null
  /** The end of its output, a character a byte; empty unless it was asked for. */
  readonly tail: string
}

const SUPERVISE = fileURLToPath(
  new URL(`./supervise${extname(import.meta.filename)}`, import.meta.url),
)

/** A program with a counter at its output or input. Measured: 3 % of the time of zstd -3. */
export interface Supervised {
  readonly program: Program
  /** What became of it, or null when it was ended before it could say. */
  account(): Promise<Account | null>
  /** Files of ours. */
  readonly files: readonly string[]
}

/** Where files of ours are made, and what else is asked of the run. */
export interface Supervising {
  readonly scratch: string
  readonly token: string
  /** Bytes at the end of the output to repeat in the account. */
  readonly tail?: number
}

/** Describes the running of a program with its bytes counted. Starts nothing. */
export function supervised(
  { command, args, env = {}, cwd }: Program,
  direction: SuperviseTask['direction'],
  place: Supervising,
): Supervised {
  const path = (suffix: string) => join(place.scratch, `${direction}-${place.token}.${suffix}`)
  const task: SuperviseTask = {
    argv: [command, ...args],
    env,
    direction,
    tail: place.tail ?? 0,
    fifo: path('fifo'),
    account: path('json'),
  }
  // What is to be taken out of the environment has no word in JSON: it never reaches the supervisor.
  const without = Object.fromEntries(Object.entries(env).filter(([, value]) => value === undefined))
  return {
    program: {
      command: execPath,
      args: [SUPERVISE],
      env: { ...without, HOLDFAST_SUPERVISE: JSON.stringify(task) },
      ...(cwd === undefined ? {} : { cwd }),
    },
    account: async () => {
      const text = await readFile(task.account, 'utf8').catch(() => null)
      return text === null ? null : (JSON.parse(text) as Account)
    },
    files: [task.fifo, task.account],
  }
}

/**
 * What went wrong, in words, with what the program said: `ended with exit code 2: no such table`.
 * Null when all is well.
 */
export function faultOf(account: Account | null, exit: Exit | null): string | null {
  if (exit === null) return 'was not run'
  const how = account === null ? unheard(exit) : howItEnded(account)
  if (how === null) return null
  const tail = exit.stderr.slice(-10).join('; ').slice(-1500)
  return tail === '' ? how : `${how}: ${tail}`
}

function howItEnded({ program, counted }: Account): string | null {
  const { code, signal, error } = program
  if (error !== null) return `could not start (${error})`
  if (signal !== null) return `was killed by ${signal}`
  if (code !== 0) return `ended with exit code ${code}`
  return counted === null ? 'ended with exit code 0, but not all of its bytes passed' : null
}

/** Our own process beside it was ended, or could not do its work. */
function unheard({ signal, code }: Exit): string {
  return signal === null ? `could not be run (${code})` : `was killed by ${signal}`
}
