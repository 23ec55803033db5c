import { stdin, stdout } from 'node:process'
import { text } from 'node:stream/consumers'
import { unreachable } from '../../lib/unreachable.ts'
import { check } from './check.ts'
import { copy } from './copy.ts'
import { probe } from './probe.ts'
import { problemOf } from './problem.ts'
import type { Answers, Problem, Task } from './task.ts'

/** The program behind `ask`: one task on stdin, one answer on stdout. */
async function main(): Promise<void> {
  const task = JSON.parse(await text(stdin)) as Task
  stdout.write(JSON.stringify(await perform(task)))
}

async function perform(task: Task): Promise<Answers[keyof Answers] | Problem> {
  try {
    switch (task.kind) {
      case 'copy':
        return await copy(task)
      case 'check':
        return check(task)
      case 'probe':
        return probe(task)
      default:
        return unreachable(task)
    }
  } catch (error) {
    return problemOf(error)
  }
}

await main()
