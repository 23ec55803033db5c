import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type Dockerode from 'dockerode'
import { ProgramFailed } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import type { Exit } from '../platform/program.ts'
import { type Attached, type AttachOptions, attach, type Standing } from './attached.ts'
import { ask, type Engine } from './engine.ts'

/** A program to run in a container that runs: argv only, never a shell. */
export interface ExecProgram {
  readonly container: string
  readonly argv: readonly string[]
  /** Added to the container's own. Secrets go here or to stdin, never into `argv`. */
  readonly env?: Readonly<Record<string, string>>
  /** As `postgres` or `0`; the container's own unless told. */
  readonly user?: string
  readonly cwd?: string
}

export interface ExecOptions extends AttachOptions {
  /** Whether it reads what we write; it finds an empty input otherwise. */
  readonly stdin?: 'pipe'
}

/** By this variable a program is found again, for the engine has no word to kill one with. */
const MARK = 'HOLDFAST_EXEC'
/** From SIGTERM to SIGKILL, in milliseconds. */
const KILL_GRACE = 2000
/** An engine that does not answer sooner cannot be told to kill anything. */
const KILL_LIMIT = 10_000

/**
 * Starts a program in a container. Throws when the engine or the container refuses; a program that
 * is not there shows in its exit, with code 126 or 127.
 */
export async function startExec(
  engine: Engine,
  program: ExecProgram,
  options: ExecOptions,
): Promise<Attached> {
  const { container, argv } = program
  const hasStdin = options.stdin === 'pipe'
  const name = `${argv[0]} in ${container}`
  const mark = randomUUID()
  const { signal } = options
  const what = `run ${name}`
  const exec = await ask(engine, { what, signal }, (client, abortSignal) =>
    client.getContainer(container).exec({ ...creation(program, mark, hasStdin), abortSignal }),
  )
  const connection = await ask(engine, { what, signal }, async (_, abortSignal) => {
    const started = (await exec.start({ hijack: true, stdin: hasStdin, abortSignal })) as Duplex
    if (abortSignal.aborted) started.destroy()
    return started
  })
  const standing = () => look(engine, exec, name)
  const kill = () => killMarked({ engine, container, mark, standing })
  return attach({ name, connection, hasStdin, standing, kill }, options)
}

function creation(program: ExecProgram, mark: string, hasStdin: boolean) {
  const { argv, env = {}, user, cwd } = program
  return {
    Cmd: [...argv],
    Env: Object.entries({ ...env, [MARK]: mark }).map(([key, value]) => `${key}=${value}`),
    ...(user === undefined ? {} : { User: user }),
    ...(cwd === undefined ? {} : { WorkingDir: cwd }),
    AttachStdin: hasStdin,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
  }
}

/** Asked after the caller has given up too, so by a signal of its own. */
async function look(engine: Engine, exec: Dockerode.Exec, name: string): Promise<Standing> {
  const question = {
    what: `see how ${name} ended`,
    timeLimit: KILL_LIMIT,
    signal: new AbortController().signal,
  }
  const told = await ask(engine, question, (_, abortSignal) => exec.inspect({ abortSignal }))
  return { isRunning: told.Running, code: told.ExitCode }
}

/**
 * Ends every process of a container that carries the mark: SIGTERM, and SIGKILL after a grace. Left
 * alone it would stay for ever, blocked by an output that nobody reads, with its locks and snapshots.
 */
async function killMarked(marked: {
  readonly engine: Engine
  readonly container: string
  readonly mark: string
  readonly standing: () => Promise<Standing>
}): Promise<void> {
  const { engine, container, mark, standing } = marked
  // Asked after the caller has given up too, so by a signal of its own.
  const { signal } = new AbortController()
  const question = { what: `end a program in ${container}`, timeLimit: KILL_LIMIT, signal }
  const send = async (word: 'TERM' | 'KILL') => {
    const Cmd = ['sh', '-c', KILL, 'sh', `${MARK}=${mark}`, word]
    const exec = await ask(engine, question, (client, abortSignal) =>
      client.getContainer(container).exec({ Cmd, User: '0', abortSignal }),
    )
    const answer = await ask(engine, question, (_, abortSignal) =>
      exec.start({ Detach: true, abortSignal }),
    )
    // Left unread it holds its connection, and that our process.
    answer.resume()
  }
  await send('TERM')
  const limit = performance.now() + KILL_GRACE
  while (performance.now() < limit) {
    if (!(await standing()).isRunning) return
    await sleep(50)
  }
  await send('KILL')
}

/**
 * Its words are ours alone, and none of them is the user's. All are halted first: a shell whose child
 * dies before it does would go on with its next line.
 */
const KILL = `for signal in STOP "$2" CONT; do
  for folder in /proc/[0-9]*; do
    if grep -qsF -- "$1" "$folder/environ"; then kill -s "$signal" "\${folder#/proc/}"; fi
  done
done`

/** A program's end with all that it printed. */
export interface ExecOutput {
  readonly stdout: string
  readonly exit: Exit
}

/** What a short program may print, in bytes. */
const MAX_OUTPUT = 1024 * 1024

/**
 * Runs a short program to its end, whatever its exit code, which the caller judges (`mustSucceed`).
 * Throws as `exit` of `Attached` does, and `ProgramFailed` when it prints more than 1 MiB.
 */
export async function runExec(
  engine: Engine,
  program: ExecProgram,
  options: ExecOptions & { readonly input?: string },
): Promise<ExecOutput> {
  const { input, ...rest } = options
  const running = await startExec(engine, program, {
    ...rest,
    ...(input === undefined ? {} : { stdin: 'pipe' as const }),
  })
  running.stdin?.end(input)
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of running.stdout) {
      bytes += piece.length
      if (bytes > MAX_OUTPUT) break
      pieces.push(piece)
    }
  } catch {
    // The exit tells why.
  }
  if (bytes > MAX_OUTPUT) {
    await running.stop()
    const how = `printed more than ${formatBytes(MAX_OUTPUT)}`
    throw new ProgramFailed(program.argv[0] ?? '', { how })
  }
  return { stdout: Buffer.concat(pieces).toString('utf8'), exit: await running.exit }
}
