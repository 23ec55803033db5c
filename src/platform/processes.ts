import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { getPriority, setPriority } from 'node:os'
import process from 'node:process'
import type { Readable, Stream, Writable } from 'node:stream'
import { type LineTail, lineTail } from './line-tail.ts'
import type { Exit, Program } from './program.ts'

/** From SIGTERM to SIGKILL, in milliseconds. */
const KILL_GRACE = 2000
/** How long stderr may stay open in the hands of grandchildren after the program's end. */
const STRAGGLER_GRACE = 1000

/** Variables that slip arguments to programs past us. */
const MEDDLING = ['TAR_OPTIONS', 'GZIP', 'PIGZ', 'ZSTD_CLEVEL', 'ZSTD_NBTHREADS', 'POSIXLY_CORRECT']

export interface ChildStdio {
  readonly stdin: 'ignore' | 'pipe' | number | Stream
  readonly stdout: 'ignore' | 'pipe' | number
}

/** One program that was asked to run. */
export interface RunningProgram {
  /** Rejects with the system's error when it could not start. Nobody has to listen. */
  readonly started: Promise<void>
  /** Resolves once it is reaped, or could not start. Never rejects. */
  readonly ended: Promise<Exit>
  /** -1 when it could not start. */
  readonly pid: number
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  /** SIGTERM to its process group, SIGKILL after a grace. Harmless when it has ended. */
  stop(): void
}

/**
 * Starts one program in a process group of its own: a Ctrl-C at our terminal is ours to answer, and
 * `stop` reaches what it started in turn. Throws when the system refuses at once.
 */
export function startProgram(
  program: Program,
  stdio: ChildStdio,
  nice: number,
  onStderrLine: (line: string) => void,
): RunningProgram {
  const child = spawn(program.command, program.args, {
    ...(program.cwd === undefined ? {} : { cwd: program.cwd }),
    env: environment(program),
    stdio: [stdio.stdin, stdio.stdout, 'pipe'] satisfies StdioOptions,
    detached: true,
  })
  if (child.pid !== undefined && nice > 0) addNiceness(child.pid, nice)
  // At its end Node throws away what nobody began to read yet; it knows of the output by this entry.
  child.stdio[1] = null
  // Its end shows in the exit; unheard, an EPIPE would end us.
  child.stdin?.on('error', () => {})
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  started.catch(() => {})
  const stderr = lineTail(onStderrLine)
  let stopping = false
  return {
    started,
    ended: end(child, program.command, stderr),
    pid: child.pid ?? -1,
    stdin: child.stdin,
    stdout: child.stdout,
    stop() {
      if (!stopping) stopGroup(child)
      stopping = true
    },
  }
}

function environment(program: Program): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C' }
  for (const name of MEDDLING) delete env[name]
  return { ...env, ...program.env }
}

function addNiceness(pid: number, nice: number): void {
  try {
    setPriority(pid, Math.min(19, getPriority(0) + nice))
  } catch {
    // It has ended already, or the system forbids it: no reason to fail a backup.
  }
}

async function end(child: ChildProcess, command: string, stderr: LineTail): Promise<Exit> {
  const drained = new Promise<void>((resolve) => {
    if (!child.stderr) return resolve()
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.stderr.on('error', () => {})
    child.stderr.once('close', resolve)
  })
  const [code, signal] = await exitOf(child)
  await atMost(drained, STRAGGLER_GRACE)
  child.stderr?.destroy()
  stderr.end()
  return { command, code, signal, stderr: stderr.lines(), stderrTotal: stderr.total() }
}

function exitOf(child: ChildProcess): Promise<readonly [number | null, string | null]> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve([code, signal]))
    child.once('error', () => {
      if (child.pid === undefined) resolve([null, null])
    })
  })
}

function atMost(work: Promise<void>, millis: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis)
    void work.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function stopGroup(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  signalGroup(pid, 'SIGTERM')
  const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), KILL_GRACE)
  child.once('exit', () => {
    clearTimeout(timer)
    // What it started and left behind; the id cannot have been given away in this instant.
    signalGroup(pid, 'SIGKILL')
  })
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left in the group.
  }
}
