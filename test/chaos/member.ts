import { type Daemon, type Exit, type Line, startDaemon } from '../support/daemon.ts'
import type { Workspace } from '../support/holdfast.ts'
import type { FaultyLink } from '../support/proxy.ts'
import { until } from './wait.ts'

/** One instance of the deployment, through all of its lives. */
export interface Member extends AsyncDisposable {
  readonly name: string
  /** Its own way to the database. */
  readonly toPostgres: FaultyLink
  /** Its own way to Redis; null where the servers tell where they are themselves. */
  readonly toRedis: FaultyLink | null
  /** Begins a life. */
  start(): void
  /** Resolves once it takes slots. */
  untilStarted(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  freeze(): void
  wake(): void
  /** SIGTERM. Resolves with how it ended. */
  stop(): Promise<Exit>
  /** `system drain` and others, by its socket. Throws unless it ends with 0. */
  order(...words: readonly string[]): Promise<void>
  /** Its programs are of the next schema version from its next life on. */
  upgrade(): void
  /** The id of its present life; null before it has told. */
  instance(): string | null
  /** What it logged in this life. */
  lines(): readonly Line[]
  lives(): readonly Daemon[]
  isRunning(): boolean
}

export interface MemberOptions {
  readonly name: string
  readonly space: Workspace
  readonly toPostgres: FaultyLink
  readonly toRedis: FaultyLink | null
  readonly env: Readonly<Record<string, string>>
  /** Added from the upgrade on. */
  readonly later: Readonly<Record<string, string>>
}

export function createMember(options: MemberOptions): Member {
  const { name, space, toPostgres, toRedis } = options
  const lives: Daemon[] = []
  let env = { ...options.env, HOLDFAST_INSTANCE: name, DATA: space.at(name) }
  let isRunning = false
  const life = () => {
    const daemon = lives.at(-1)
    if (!daemon) throw new Error(`${name} was never started`)
    return daemon
  }
  const told = (event: string) => life().lines.find((line) => line.event === event)
  const end = async (signal: NodeJS.Signals) => {
    isRunning = false
    return await life().stop(signal)
  }
  return {
    name,
    toPostgres,
    toRedis,
    start() {
      lives.push(startDaemon(space, { env }))
      isRunning = true
    },
    async untilStarted() {
      const daemon = life()
      let over: Exit | null = null
      void daemon.ended.then((exit) => (over = exit))
      await until(`${name} has started`, () => told('daemon.started') !== undefined || over)
      if (over) throw new Error(`${name} ended at its start: ${daemon.stderr()}`)
    },
    async kill() {
      await end('SIGKILL')
    },
    freeze: () => life().signal('SIGSTOP'),
    wake: () => life().signal('SIGCONT'),
    stop: () => end('SIGTERM'),
    async order(...words) {
      await space.ok([...words], { env })
    },
    upgrade() {
      env = { ...env, ...options.later }
    },
    instance: () => (told('daemon.started')?.instance as string | undefined) ?? null,
    lines: () => life().lines,
    lives: () => lives,
    isRunning: () => isRunning,
    async [Symbol.asyncDispose]() {
      for (const one of lives) await one[Symbol.asyncDispose]()
    },
  }
}
