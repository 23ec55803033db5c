import { runCommandLine } from '../../src/cli/commands.ts'
import type { Context } from '../../src/cli/context.ts'
import type { Instant } from '../../src/core/model.ts'
import { sourceKinds } from '../../src/sources/index.ts'
import { targetKinds } from '../../src/targets/index.ts'
import type { Document } from './holdfast.ts'

/** What differs from a process that was started in `cwd` on a pipe. */
export interface Setting {
  readonly cwd: string
  /** Beside PATH. */
  readonly env?: Readonly<Record<string, string>>
  /** The clock; the machine's unless told. */
  readonly now?: () => number
  /** Whoever sits at the terminal; nobody unless told. */
  readonly ask?: Context['ask']
  readonly interrupted?: AbortSignal
}

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly document: () => Document
}

/** A command line in this process, where what a process cannot change is handed in. */
export async function commandLine(words: readonly string[], setting: Setting): Promise<Said> {
  const out: string[] = []
  const err: string[] = []
  const { now = Date.now } = setting
  const code = await runCommandLine(words, {
    env: { PATH: process.env.PATH, ...setting.env },
    cwd: setting.cwd,
    now: () => now() as Instant,
    version: '0.0.0-test',
    plugins: { targets: targetKinds, sources: sourceKinds },
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    terminal: { progress: false, lines: false, color: false, columns: 80, draw: () => {} },
    interrupted: setting.interrupted ?? new AbortController().signal,
    ask: setting.ask ?? null,
  })
  const said = { out: out.join('\n'), err: err.join('\n') }
  return { code, ...said, document: () => JSON.parse(said.out) }
}
