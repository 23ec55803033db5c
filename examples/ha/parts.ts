/** Programs that run until they are told to end, each with a log and its process id in a file. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const LIMIT = 60_000
/** A PostgreSQL that was killed leaves processes for a moment, and does not start beside them. */
const TRIES = 5
const exec = promisify(execFile)

/** One program of the example. */
export interface Part {
  readonly name: string
  /** Where it answers, for people. */
  readonly at: string
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly isUp: () => Promise<boolean>
  /** What asks it to end well. */
  readonly end?: NodeJS.Signals
}

export interface Running extends Part {
  pid(): number
  hasEnded(): boolean
  /** Starts it, or starts it again; resolves once it answers. */
  start(): Promise<void>
  /** Resolves once it has ended. */
  stop(): Promise<void>
}

/** A part that is not started yet; its log and its process id stand in `folder`. */
export function partIn(folder: string, part: Part): Running {
  const { name, command, env, isUp, end = 'SIGTERM' } = part
  const log = join(folder, `${name}.log`)
  const pidFile = join(folder, `${name}.pid`)
  let child: ChildProcess | null = null
  let isWanted = false
  const hasEnded = () => child === null || child.exitCode !== null || child.signalCode !== null
  const begin = () => {
    const out = openSync(log, 'a')
    // In a session of its own, which Ctrl-C does not reach; it ends with us, however we do.
    child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...command], {
      stdio: ['ignore', out, out],
      detached: true,
      env: { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C.UTF-8', ...env },
    })
    closeSync(out)
    child.once('exit', () => rmSync(pidFile, { force: true }))
    writeFileSync(pidFile, `${child.pid}\n`)
  }
  return {
    ...part,
    pid: () => child?.pid ?? 0,
    hasEnded,
    async start() {
      isWanted = true
      begin()
      const limit = Date.now() + LIMIT
      for (let tries = TRIES; !(await isUp().catch(() => false)); await sleep(100)) {
        if (!hasEnded() && Date.now() < limit) continue
        if (!isWanted || !hasEnded() || --tries === 0) {
          throw new Error(`${name} did not start:\n${readFileSync(log, 'utf8').slice(-1500)}`)
        }
        await sleep(1000)
        if (isWanted) begin()
      }
    },
    async stop() {
      isWanted = false
      if (hasEnded()) return
      const ended = child && once(child, 'exit')
      child?.kill(end)
      await ended
    },
  }
}

/** Runs a program to its end and gives what it says. */
export async function call(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await exec(program, args, { timeout: LIMIT, env: { ...process.env, ...env } })
  return stdout
}

/** Whether an address answers with less than 500. */
export async function answers(url: string): Promise<boolean> {
  return (await fetch(url)).status < 500
}
