import { extname } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { failureOf, run } from '../program.ts'
import type { Answers, Problem, Task } from './task.ts'

/** Beside this file, and with its extension: `.ts` in a checkout, `.js` in a package. */
const CHILD = fileURLToPath(
  new URL(`./sqlite-child${extname(import.meta.filename)}`, import.meta.url),
)

/** A last limit; the caller's signal carries the configured one. */
const TIME_LIMIT = 24 * 60 * 60 * 1000

type TaskOf<Kind extends Task['kind']> = Extract<Task, { readonly kind: Kind }>

/**
 * Has a child process do the task, so that neither the event loop nor our memory notice the size of
 * the database. An abort kills it and throws the signal's reason; throws `ProgramFailed` when it dies.
 */
export async function ask<Kind extends Task['kind']>(
  task: TaskOf<Kind>,
  signal: AbortSignal,
): Promise<Answers[Kind] | Problem> {
  const { stdout, exit } = await run(
    { command: execPath, args: [CHILD] },
    { timeLimit: TIME_LIMIT, input: JSON.stringify(task), signal },
  )
  const failure = failureOf(exit)
  if (failure) throw failure
  return JSON.parse(stdout) as Answers[Kind] | Problem
}
