import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { KillOrder } from './kill-at.ts'
import { KILL_AT } from './preload.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** Nothing that a test starts takes this long, on however busy a machine. */
const LIMIT = 90_000

export interface Start {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Struck by itself, at a place in its own doing. */
  readonly killAt?: KillOrder
  /** Struck from outside, after so many milliseconds. */
  readonly killAfter?: number
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Whether the order of `killAt` was carried out. */
  readonly hit: boolean
}

/** A process of Holdfast, as a person would start it. */
export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Whether its log has told of that event by now. */
  told(event: string): boolean
}

/** Starts `bin/holdfast` with these arguments. It is killed when it takes longer than any test may wait. */
export function start(args: readonly string[], options: Start): Running {
  const { cwd, env = {}, killAt } = options
  const child = spawn(join(ROOT, 'bin', 'holdfast'), args, {
    cwd,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: cwd,
      HOLDFAST_HTTP: 'off',
      ...env,
      ...(killAt ? { NODE_OPTIONS: `--import ${KILL_AT}`, KILL_AT: JSON.stringify(killAt) } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    log += chunk.toString('latin1')
  })
  return { child, ended: end(child, options), told: (event) => log.includes(`"event":"${event}"`) }
}

/** The same, waited for. */
export async function run(args: readonly string[], options: Start): Promise<Ended> {
  return await start(args, options).ended
}

async function end(child: ChildProcess, { killAt, killAfter }: Start): Promise<Ended> {
  if (killAt) rmSync(killAt.log, { force: true })
  const { stdout, stderr } = child
  if (!stdout || !stderr) throw new Error('a process without its pipes')
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  const blow = killAfter === undefined ? null : setTimeout(() => child.kill('SIGKILL'), killAfter)
  const ended = once(child, 'exit')
  // Grandchildren that outlive a killed process may keep its pipes open for a moment.
  const said = Promise.all([text(stdout), text(stderr)])
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null]
  clearTimeout(limit)
  if (blow) clearTimeout(blow)
  const [out, err] = await said
  return { code, signal, stdout: out, stderr: err, hit: killAt ? wasHit(killAt) : false }
}

function wasHit({ log, phase }: KillOrder): boolean {
  try {
    return readFileSync(log, 'utf8').split('\n').includes(phase)
  } catch {
    return false
  }
}
