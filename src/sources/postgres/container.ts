import type { EngineAddress } from '../../core/engine-address.ts'
import { formatEngineAddress } from '../../core/engine-address.ts'
import { lookAtContainer } from '../../docker/containers.ts'
import { type Engine, openEngine } from '../../docker/engine.ts'
import { type ExecProgram, runExec } from '../../docker/exec.ts'
import { relayed } from '../../docker/relayed.ts'
import { SourceFailed } from '../../lib/errors.ts'
import type { Client, ClientProgram, Server } from './server.ts'

const ANSWER_LIMIT = 30_000

/**
 * A server in a container, by the client programs of its own image, which are of its own version. User
 * and database are those that its environment names.
 */
export function serverInContainer(address: EngineAddress, container: string): Server {
  // Asked of each container once: its programs stay what they are.
  const majors = new Map<string, number>()
  return {
    label: `container ${container}`,
    place: { engine: address, container },
    async client(signal) {
      const engine = await openEngine(address)
      const { id, env, state } = await lookAtContainer(engine, container, signal)
      if (state !== 'running') throw notRunning(container, state)
      const major = majors.get(id) ?? (await majorIn(engine, container, signal))
      majors.set(id, major)
      return clientIn({ engine, host: formatEngineAddress(address), container, env, major })
    },
  }
}

function notRunning(container: string, state: string): SourceFailed {
  const hint = state === 'paused' ? `docker unpause ${container}` : `docker start ${container}`
  const message = `container ${container} is ${state}, so its database cannot be asked`
  return new SourceFailed(message, { hint })
}

interface Inside {
  readonly engine: Engine
  readonly host: string
  readonly container: string
  readonly env: Readonly<Record<string, string>>
  readonly major: number
}

function clientIn({ engine, host, container, env, major }: Inside): Client {
  const shared = environmentOf(env)
  const programOf = (name: ClientProgram, args: readonly string[], database: string | null) => ({
    container,
    argv: [name, ...args, '--no-password'] as const,
    env: {
      ...shared,
      ...(name === 'psql' ? { PGCLIENTENCODING: 'UTF8' } : {}),
      ...(database === null ? {} : { PGDATABASE: database }),
    },
  })
  return {
    major,
    hasOurFiles: false,
    program: (name, args, database = null) => {
      const hasInput = name === 'psql' || name === 'pg_restore'
      return relayed({ host, program: programOf(name, args, database), hasInput })
    },
    picking: (list, args) => {
      const { argv, env: own } = programOf('pg_restore', args, null)
      const program = {
        container,
        argv: ['sh', '-c', WITH_LIST, 'sh', ...argv],
        env: { ...own, HOLDFAST_LIST: list },
      } as const
      return relayed({ host, program, hasInput: true })
    },
    psql: (args, { database, input, timeLimit, signal: asked }) => {
      const program: ExecProgram = programOf('psql', args, database)
      return runExec(engine, program, { stdin: 'pipe', input, timeLimit, signal: asked })
    },
  }
}

/**
 * It takes a list by a file, and sees none of ours: so by a pipe, beside its input. The script's words
 * are ours alone.
 */
const WITH_LIST = `exec 4<&0
printf '%s\\n' "$HOLDFAST_LIST" | "$@" --use-list=/dev/fd/3 3<&0 0<&4`

/** As the official image and its relatives are told it. */
function environmentOf(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const user = env.POSTGRES_USER || env.POSTGRESQL_USERNAME || 'postgres'
  const password = env.POSTGRES_PASSWORD || env.POSTGRESQL_PASSWORD
  return {
    LC_ALL: 'C',
    PGAPPNAME: 'holdfast',
    PGUSER: user,
    PGDATABASE: env.POSTGRES_DB || env.POSTGRESQL_DATABASE || user,
    ...(password ? { PGPASSWORD: password } : {}),
  }
}

async function majorIn(engine: Engine, container: string, signal: AbortSignal): Promise<number> {
  const program = { container, argv: ['pg_dump', '--version'] }
  const { stdout, exit } = await runExec(engine, program, { timeLimit: ANSWER_LIMIT, signal })
  const major = / (\d+)/.exec(stdout)?.[1]
  if (exit.code === 0 && major !== undefined) return Number(major)
  throw new SourceFailed(`container ${container} has no pg_dump`, {
    hint: 'name the container of the server itself, or reach the server by url',
  })
}
