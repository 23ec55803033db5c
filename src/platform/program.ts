import type { Readable } from 'node:stream'

/** A program to run: argv only, never a shell. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  /** Added to the inherited environment. Secrets go here or to stdin, never into `args`. */
  readonly env?: Readonly<Record<string, string>>
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
export type { Readable }
