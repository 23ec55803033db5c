import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** How long a server may take until it answers, on however busy a machine. */
const LIMIT = 90_000

const exec = promisify(execFile)

/** Runs a program to its end; rejects with what it said when it fails. */
export async function call(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await exec(program, args, { timeout: LIMIT })
  return stdout
}

/** A server that a test has started. It dies with the test's process, however that ends. */
export interface Daemon {
  readonly pid: number
  readonly log: string
  hasEnded(): boolean
  /** Resolves once it has ended, by whomever. */
  readonly ended: Promise<void>
  /** Kills it, or asks it to end by another signal; resolves once it has. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/**
 * Starts a program that stays in the foreground; what it says goes to the file `log`. `as` are words
 * for setpriv: another account.
 */
export function startDaemon(
  log: string,
  program: string,
  args: readonly string[],
  as: readonly string[] = [],
): Daemon {
  const out = openSync(log, 'a')
  const child: ChildProcess = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', ...as, '--', program, ...args],
    { stdio: ['ignore', out, out] },
  )
  const ended = once(child, 'exit').then(() => {})
  ended.catch(() => {})
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  return {
    pid: child.pid ?? 0,
    log,
    hasEnded,
    ended,
    async stop(signal = 'SIGKILL') {
      if (hasEnded()) return
      child.kill(signal)
      await ended
    },
  }
}

/** Resolves once `isUp` does; rejects with the end of the log when one of the daemons has ended. */
export async function untilUp(
  daemons: readonly Daemon[],
  isUp: () => Promise<boolean>,
): Promise<void> {
  const limit = Date.now() + LIMIT
  while (!(await isUp().catch(() => false))) {
    const dead = daemons.find((one) => one.hasEnded())
    const late = Date.now() > limit ? daemons[0] : undefined
    const blamed = dead ?? late
    if (blamed)
      throw new Error(`a server did not come up:\n${readFileSync(blamed.log, 'utf8').slice(-2000)}`)
    await sleep(50)
  }
}

/** Below those that the kernel gives to whoever asks for any; each worker of the tests has a part. */
const PORTS = { first: 3_000, each: 3_000, workers: 3 } as const
const given = new Set<number>()

/**
 * Ports of the loopback that nobody listens on now. Nobody else takes one of them while its server is
 * not up yet, or down for a while.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const worker = (Number(process.env.VITEST_POOL_ID ?? 1) - 1) % PORTS.workers
  const ports: number[] = []
  while (ports.length < count) {
    const port = PORTS.first + PORTS.each * worker + Math.floor(Math.random() * PORTS.each)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return await promise
}
