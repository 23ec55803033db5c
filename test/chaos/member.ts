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
  /** Resolves once it takes slots. One that cannot start is started again, as a supervisor does. */
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
  /** Ends that nobody had a hand in, with what it said last. */
  falls(): readonly string[]
  isRunning(): boolean
}

export interface MemberOptions {
  readonly name: string
  readonly space: Workspace
  readonly toPostgres: FaultyLink
  readonly toRedis: FaultyLink | null
  readonly env: Readonly<Record<string, string>>
  /** What it runs from the upgrade on. */
  readonly nextProgram: string
}

export function createMember(options: MemberOptions): Member {
  const { name, space, toPostgres, toRedis } = options
  const lives: Daemon[] = []
  let program: string | null = null
  const env = { ...options.env, HOLDFAST_INSTANCE: name, DATA: space.at(name) }
  let isRunning = false
  const life = () => {
    const daemon = lives.at(-1)
    if (!daemon) throw new Error(`${name} was never started`)
    return daemon
  }
  const hasEnded = new Set<Daemon>()
  const falls: string[] = []
  const begin = () => {
    const daemon = startDaemon(space, { env, ...(program ? { program } : {}) })
    lives.push(daemon)
    isRunning = true
    void daemon.ended.then(() => {
      hasEnded.add(daemon)
      const isFallen = isRunning && daemon === life() && daemon.events().includes('daemon.started')
      if (isFallen) falls.push(`${name}: ${daemon.stderr()}`)
    })
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
    start: begin,
    async untilStarted() {
      await until(`${name} has started`, () => {
        if (told('daemon.started')) return true
        if (hasEnded.has(life())) begin()
        return false
      })
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
      program = options.nextProgram
    },
    instance: () => (told('daemon.started')?.instance as string | undefined) ?? null,
    lines: () => life().lines,
    lives: () => lives,
    falls: () => falls,
    isRunning: () => isRunning,
    async [Symbol.asyncDispose]() {
      for (const one of lives) await one[Symbol.asyncDispose]()
    },
  }
}
