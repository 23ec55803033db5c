import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { commandLine } from './command-line.ts'

const PROGRAM = resolve(import.meta.dirname, '../../bin/holdfast')

/** A process that hangs is a failed test long before the test's own limit. */
const LONGEST_RUN = 55_000
const LOOK_AGAIN = 20

/** Any JSON, as a test reads it. */
// biome-ignore lint/suspicious/noExplicitAny: a document is asserted on, never computed with
export type Document = any

/** What a run of `bin/holdfast` came to. */
export interface Ran {
  /** Exit code; 128 and the signal's number are the program's own, null is a signal that ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The one JSON document on stdout. Throws when stdout is anything else. */
  readonly document: Document
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A program and its arguments that become the one that is run, as `setpriv …`. */
  readonly through?: readonly string[]
}

/** A `bin/holdfast` that runs. */
export interface Running {
  readonly child: ChildProcess
  readonly pid: number
  /** Everything on stdout and stderr so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** The lines of a JSON log on stdout so far. */
  readonly events: () => readonly Document[]
  /** Resolves with the first line whose `event` is `name` and that `fits`. Throws when it ends, or after a while. */
  event(name: string, fits?: (line: Document) => boolean): Promise<Document>
  /** Resolves once `condition` holds. Throws when the program ends before, or after a while. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>
  readonly ended: Promise<Ran>
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ran>
}

/** A folder with a config in which `bin/holdfast` is run; removed with all that it started. */
export interface Workspace extends AsyncDisposable {
  readonly root: string
  at(...parts: readonly string[]): string
  /** Writes files by their path from the root on, with their folders. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>
  read(...parts: readonly string[]): Promise<string>
  /** Runs `bin/holdfast` to its end: what a law is about. */
  run(args: readonly string[], options?: RunOptions): Promise<Ran>
  /**
   * The same command line, where it only prepares or looks, in this process, which is three times
   * quicker; with options a process as `run`. Throws with all that was said unless its code is 0.
   */
  ok(args: readonly string[], options?: RunOptions): Promise<Ran>
  start(args: readonly string[], options?: RunOptions): Running
  /** The keys of the archives in the folder of a local target, oldest first. */
  archives(target: string): Promise<readonly string[]>
  /** Every file below the folder with its content, by path; what is not there is empty. */
  files(...parts: readonly string[]): Promise<Readonly<Record<string, string>>>
}

/** A new workspace with `config` as its `holdfast.yml`. */
export async function makeWorkspace(config?: string): Promise<Workspace> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-cli-'))
  const started = new Set<Running>()
  const workspace: Workspace = {
    root,
    at: (...parts) => join(root, ...parts),
    async write(files) {
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(root, path)), { recursive: true })
        await writeFile(join(root, path), content)
      }
    },
    read: (...parts) => readFile(join(root, ...parts), 'utf8'),
    run: (args, options) => workspace.start(args, options).ended,
    async ok(args, options) {
      const ran = options ? await workspace.run(args, options) : await runHere(args, root)
      if (ran.code === 0) return ran
      throw new Error(`${args.join(' ')} ended with ${ran.code}:\n${ran.stdout}\n${ran.stderr}`)
    },
    start(args, options = {}) {
      const running = start(args, { cwd: root, ...options })
      started.add(running)
      void running.ended.finally(() => started.delete(running)).catch(() => {})
      return running
    },
    async archives(target) {
      const names = Object.keys(await filesIn(join(root, target)))
      return names.filter((name) => /Z\.[a-z.0-9]+$/.test(name) && !name.endsWith('.json'))
    },
    files: (...parts) => filesIn(join(root, ...parts)),
    async [Symbol.asyncDispose]() {
      await Promise.all([...started].map((one) => one.end('SIGKILL').catch(() => {})))
      await rm(root, { recursive: true, force: true })
    },
  }
  if (config !== undefined) await workspace.write({ 'holdfast.yml': config })
  return workspace
}

async function runHere(args: readonly string[], cwd: string): Promise<Ran> {
  const { code, out, err } = await commandLine(args, { cwd })
  return ranOf(code, { stdout: `${out}\n`, stderr: `${err}\n` })
}

function start(args: readonly string[], { env = {}, cwd, through = [] }: RunOptions): Running {
  const [program = PROGRAM, ...rest] = [...through, PROGRAM, ...args]
  const child = spawn(program, rest, {
    cwd,
    // Nothing of ours leaks in: what the tests' own environment declares must not decide.
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
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (said.stderr += text))
  const limit = setTimeout(() => child.kill('SIGKILL'), LONGEST_RUN)
  const ended = once(child, 'close').then(([code]): Ran => {
    clearTimeout(limit)
    return ranOf(code, { ...said })
  })
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  const running: Running = {
    child,
    pid: child.pid ?? 0,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    events: () => linesOf(said.stdout),
    ended,
    async event(name, fits = () => true) {
      const found = () => running.events().find((line) => line.event === name && fits(line))
      await running.until(() => found() !== undefined)
      return found()
    },
    async until(condition) {
      const deadline = performance.now() + LONGEST_RUN
      while (!(await condition())) {
        if (isOver()) {
          await ended
          if (await condition()) return
        }
        if (isOver() || performance.now() > deadline) {
          throw new Error(`waited in vain:\n${said.stdout}\n${said.stderr}`)
        }
        await sleep(LOOK_AGAIN)
      }
    },
    async end(signal = 'SIGTERM') {
      child.kill(signal)
      return await ended
    },
  }
  return running
}

function ranOf(
  code: number | null,
  { stdout, stderr }: { readonly stdout: string; readonly stderr: string },
): Ran {
  return {
    code,
    stdout,
    stderr,
    get document() {
      try {
        return JSON.parse(stdout)
      } catch {
        throw new Error(`stdout is not one JSON document (exit ${code}):\n${stdout}\n${stderr}`)
      }
    },
  }
}

/** Whole lines that are JSON; a daemon on a pipe writes nothing else. */
function linesOf(stdout: string): readonly Document[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}

async function filesIn(root: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(root, { recursive: true }).catch(() => [])
  const files: Record<string, string> = {}
  for (const name of names.sort()) {
    if ((await stat(join(root, name)).catch(() => null))?.isFile()) {
      files[name] = await readFile(join(root, name), 'latin1')
    }
  }
  return files
}

/** A job `files` that backs `live` up to the local target `shelf`, and what a test adds to it. */
export function filesConfig(job = '', top = ''): string {
  return [
    'data_dir: ./state',
    'targets: { shelf: { type: local, path: ./shelf } }',
    'jobs:',
    '  files:',
    '    sources: [{ type: directory, path: ./live }]',
    ...job
      .split('\n')
      .filter(Boolean)
      .map((line) => `    ${line}`),
    top,
    '',
  ].join('\n')
}
