import type { Instant } from '../core/model.ts'
import type { Plugins } from '../observe/world.ts'

/** What a verb may use of the world outside; made by main, replaced by tests. */
export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly now: () => Instant
  readonly version: string
  readonly plugins: Plugins
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly terminal: Terminal
  /** Aborts when the person interrupts. */
  readonly interrupted: AbortSignal
  /** Asks on the terminal; null when there is none to ask on. */
  readonly ask: ((question: string) => Promise<string>) | null
}

export interface Terminal {
  /** Whether stderr is a terminal: progress bars there, log lines elsewhere. */
  readonly progress: boolean
  /** Whether stdout is one: readable log lines there, JSON elsewhere. */
  readonly lines: boolean
  /** Whether stdout is one: colours, unless NO_COLOR or --no-color. */
  readonly color: boolean
  readonly columns: number
  /** Writes to stderr as it is, without a line break. */
  readonly draw: (text: string) => void
}

/** Flags that every verb takes. */
export interface GlobalFlags {
  readonly config?: string
  readonly json?: boolean
  readonly quiet?: boolean
  /** False with `--no-color`. */
  readonly color: boolean
}

/** A verb: parse, call, print. Resolves with the exit code. */
export type Verb<Flags> = (
  args: readonly string[],
  flags: Flags & GlobalFlags,
  context: Context,
) => Promise<number>
