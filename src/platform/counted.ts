import { rm } from 'node:fs/promises'
import { supervised } from './account.ts'
import type { Exit, Program } from './program.ts'

/** A program whose output is counted on its way. */
export interface Counted {
  readonly program: Program
  /** How much there was, null when not all of it passed; and what became of the program. Null when it cannot be told. */
  account(exit: Exit | null): Promise<{ readonly bytes: number | null; readonly exit: Exit } | null>
  remove(): Promise<void>
}

/** Describes the running of a program with what it prints counted. Starts nothing. */
export function counted(
  program: Program,
  place: { readonly scratch: string; readonly token: string },
): Counted {
  const run = supervised(program, 'output', place)
  return {
    program: run.program,
    async account(exit) {
      const account = await run.account()
      if (account === null || exit === null) return null
      const { code, signal, error } = account.program
      const stderr = error === null ? exit.stderr : [`could not start (${error})`]
      const { command } = program
      return { bytes: account.counted, exit: { ...exit, command, code, signal, stderr } }
    },
    async remove() {
      for (const path of run.files) await rm(path, { force: true })
    },
  }
}
