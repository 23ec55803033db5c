import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Exit, Program } from '../../platform/program.ts'
import { type Argv, type CommandSettings, revealed } from './settings.ts'

/** What `supervise.ts` is told, in its environment: the program's own may hold secrets. */
export interface SuperviseTask {
  readonly argv: Argv
  readonly env: Readonly<Record<string, string>>
  readonly direction: 'output' | 'input'
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

/** Describes the running of `argv` with its bytes counted. Starts nothing. */
export function supervised(
  argv: Argv,
  direction: SuperviseTask['direction'],
  settings: Pick<CommandSettings, 'env' | 'cwd'>,
  place: { readonly scratch: string; readonly token: string },
): Supervised {
  const path = (suffix: string) => join(place.scratch, `${direction}-${place.token}.${suffix}`)
  const task: SuperviseTask = {
    argv,
    env: revealed(settings.env),
    direction,
    fifo: path('fifo'),
    account: path('json'),
  }
  return {
    program: {
      command: execPath,
      args: [SUPERVISE],
      env: { HOLDFAST_SUPERVISE: JSON.stringify(task) },
      ...(settings.cwd === null ? {} : { cwd: settings.cwd }),
    },
    account: async () => {
      const text = await readFile(task.account, 'utf8').catch(() => null)
      return text === null ? null : (JSON.parse(text) as Account)
    },
    files: [task.fifo, task.account],
  }
}

/** What went wrong with the program itself, in words: `ended with exit code 2: no such table`; null when nothing did. */
export function faultOf(
  account: Account | null,
  exit: Exit | null,
): { readonly how: string; readonly tail: string } | null {
  if (exit === null) return { how: 'was not run', tail: '' }
  const tail = tailOf(exit)
  const { code, signal, error } = account?.program ?? {
    code: exit.code,
    signal: exit.signal,
    error: null,
  }
  if (error !== null) return { how: `could not start (${error})`, tail }
  if (signal !== null) return { how: `was killed by ${signal}`, tail }
  if (code !== 0) return { how: `ended with exit code ${code}`, tail }
  if (account === null) return { how: 'was not heard of again', tail }
  if (account.counted === null) return { how: 'ended, but not all of its bytes passed', tail }
  return exit.code === 0 ? null : { how: 'could not be watched to its end', tail }
}

/** The end of what it wrote to stderr, on one line. */
export function tailOf(exit: Exit): string {
  return exit.stderr.slice(-10).join('; ').slice(-1500)
}
