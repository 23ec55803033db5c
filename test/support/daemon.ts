import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Document, Workspace } from './holdfast.ts'

const PROGRAM = resolve(import.meta.dirname, '../../bin/holdfast')

/** Nothing that a daemon is waited for takes this long, on however busy a machine, a missed minute included. */
const DEADLINE = 100_000

/** How a daemon ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A line of the JSON log, and when it came: `performance.now()`. */
export interface Line {
  readonly [field: string]: Document
  readonly event: string
  readonly level: string
  readonly message: string
  readonly at: number
}

/** Which of its lines a test waits for. */
export interface Wanted {
  readonly fits?: (line: Line) => boolean
  /** Only lines after so many; all, unless told. */
  readonly from?: number
}

/** A `bin/holdfast daemon` that runs; killed when it is disposed of. */
export interface Daemon extends AsyncDisposable {
  readonly pid: number
  /** What it logged so far. */
  readonly lines: readonly Line[]
  readonly stderr: () => string
  /** Names of the events so far, in order. */
  events(from?: number): readonly string[]
  /** The first such line, as soon as it is there. Throws, with the whole log, at the daemon's end or after a while. */
  until(event: string, wanted?: Wanted): Promise<Line>
  signal(signal: NodeJS.Signals): void
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>
  readonly ended: Promise<Exit>
}

export interface DaemonOptions {
  /** From the workspace's root on; `holdfast.yml` unless told. */
  readonly config?: string
  readonly env?: Readonly<Record<string, string>>
  /** Another installation's `bin/holdfast`. */
  readonly program?: string
  /** Other words than `daemon`, as `restore --boot -- …`. */
  readonly args?: readonly string[]
}

/** Starts a daemon on the workspace's config. */
export function startDaemon(workspace: Workspace, options: DaemonOptions = {}): Daemon {
  const { config = 'holdfast.yml', env = {}, args = ['daemon'], program = PROGRAM } = options
  const child = spawn(program, ['--config', workspace.at(config), ...args], {
    cwd: workspace.root,
    // Two daemons of two tests cannot both have the usual address: a test that wants one says so.
    env: {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      TZ: 'UTC',
      LANG: 'C.UTF-8',
      HOLDFAST_HTTP: 'off',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  let stderr = ''
  const look = () => {
    for (const one of waiting) one()
  }
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (!text.startsWith('{')) return
    lines.push({ ...JSON.parse(text), at: performance.now() })
    look()
  })
  const ended = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }))
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  void ended.then(look)

  const told = () => `${lines.map((line) => JSON.stringify(line)).join('\n')}\n${stderr}`
  const daemon: Daemon = {
    pid: child.pid ?? 0,
    lines,
    stderr: () => stderr,
    events: (from = 0) => lines.slice(from).map(({ event }) => event),
    async until(event, { fits = () => true, from = 0 } = {}) {
      const { promise, resolve: found, reject } = Promise.withResolvers<Line>()
      const fail = (why: string) => reject(new Error(`${why} without ${event}:\n${told()}`))
      const one = () => {
        const line = lines.slice(from).find((each) => each.event === event && fits(each))
        if (line) found(line)
        else if (isOver() && child.stdout.closed) fail('the daemon ended')
      }
      const timer = setTimeout(() => fail(`${DEADLINE / 1000} s went by`), DEADLINE)
      waiting.add(one)
      one()
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        waiting.delete(one)
      }
    },
    signal: (signal) => void child.kill(signal),
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return await inTime(ended, told)
    },
    ended,
    async [Symbol.asyncDispose]() {
      if (!isOver()) await daemon.stop('SIGKILL')
    },
  }
  return daemon
}

async function inTime(ended: Promise<Exit>, told: () => string): Promise<Exit> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`did not end:\n${told()}`)), DEADLINE)
  try {
    return await Promise.race([ended, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves once `condition` holds; asks every few milliseconds, and throws after a while. */
export async function poll(condition: () => boolean | Promise<boolean>, what: string) {
  const until = performance.now() + DEADLINE
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`waited in vain for ${what}`)
    await new Promise((again) => setTimeout(again, 10))
  }
}

/**
 * A cron pattern, seconds first, whose slot comes `seconds` from now, and every minute after that, for
 * whoever was not ready for the first.
 */
export function slotIn(seconds: number): string {
  return `${new Date(Date.now() + seconds * 1000).getUTCSeconds()} * * * * *`
}
