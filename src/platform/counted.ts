import { rm } from 'node:fs/promises'
import { type Supervising, supervised } from './account.ts'
import type { Exit, Program } from './program.ts'

/** A program whose output is counted on its way. */
export interface Counted {
  readonly program: Program
  /** Null when it cannot be told. */
  account(exit: Exit | null): Promise<Passed | null>
  remove(): Promise<void>
}

/** What a program printed, and what became of it. */
export interface Passed {
  /** Null when not all of it passed. */
  readonly bytes: number | null
  /** Its end, as much as was asked for, a character a byte. */
  readonly tail: string
  readonly exit: Exit
}

/** Describes the running of a program with what it prints counted. Starts nothing. */
export function counted(program: Program, place: Supervising): Counted {
  const run = supervised(program, 'output', place)
  return {
    program: run.program,
    async account(exit) {
      const account = await run.account()
      if (account === null || exit === null) return null
      const { code, signal, error } = account.program
      const stderr = error === null ? exit.stderr : [`could not start (${error})`]
      const { command } = program
      const { counted: bytes, tail } = account
      return { bytes, tail, exit: { ...exit, command, code, signal, stderr } }
    },
    async remove() {
      for (const path of run.files) await rm(path, { force: true })
    },
  }
}
