import { type ChildProcess, spawn } from 'node:child_process'
import type { Follow } from './measure.ts'

/** One program of a pipe, by argv. */
export interface Step {
  readonly command: string
  readonly args: readonly string[]
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Runs programs, each one's output being the next one's input, and resolves when all have ended
 * well. `output` is a file descriptor for the last one, which prints nowhere otherwise.
 */
export async function pipe(
  steps: readonly Step[],
  follow: Follow,
  output: number | 'ignore' = 'ignore',
): Promise<void> {
  const running: ChildProcess[] = []
  const ended = steps.map(({ command, args, env }, index) => {
    const before = running.at(-1)?.stdout ?? 'ignore'
    const last = index === steps.length - 1
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: [before, last ? output : 'pipe', 'pipe'],
    })
    running.at(-1)?.stdout?.destroy()
    running.push(child)
    if (child.pid !== undefined) follow(child.pid)
    return endOf(child, command)
  })
  await Promise.all(ended)
}

/** The same for one program whose output is wanted. */
export async function outputOf(step: Step): Promise<string> {
  const child = spawn(step.command, step.args, {
    env: { ...process.env, ...step.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => (text += String(chunk)))
  await endOf(child, step.command)
  return text
}

function endOf(child: ChildProcess, command: string): Promise<void> {
  let complaint = ''
  child.stderr?.on('data', (chunk) => (complaint = (complaint + String(chunk)).slice(-2000)))
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`cannot run ${command}`, { cause })))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`${command} ended with ${signal ?? code}: ${complaint}`))
    })
  })
}
