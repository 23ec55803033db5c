import { type Container, listContainers } from '../../docker/containers.ts'
import { openEngine } from '../../docker/engine.ts'
import { HELPER_LABEL } from '../../docker/helper-container.ts'
import { ownContainer } from '../../docker/own-container.ts'
import { restartAll } from '../../docker/restart-all.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Staging } from '../source.ts'
import { askBeside } from './catalog.ts'
import type { Server } from './server.ts'
import { literal } from './sql.ts'

/** A database whose server runs in a container, as its clients may. */
export interface Served {
  readonly server: Server
  readonly place: NonNullable<Server['place']>
  readonly database: string
}

/** Who has sessions. */
interface Clients {
  readonly containers: readonly Container[]
  /** Addresses that no running container has. */
  readonly elsewhere: readonly string[]
}

const NOBODY: Clients = { containers: [], elsewhere: [] }
/** Seconds that a container has to end by itself. */
const GRACE = 30

/** A staging that lets the containers with sessions of its database begin anew, once that was replaced. */
export function withRestart(inner: Staging, served: Served): Staging {
  const { database } = served
  let clients = NOBODY
  let trouble: string | null = null
  return {
    ...inner,
    async finish(exit, signal) {
      const staged = await inner.finish(exit, signal)
      try {
        // Looked for while they are there still: the swap ends their sessions, and with that maybe them.
        clients = await clientsOf(served, signal)
      } catch (error) {
        signal.throwIfAborted()
        // No reason to lose what was loaded.
        trouble = messageOf(error)
      }
      return staged
    },
    async swapped() {
      const said = (await inner.swapped?.()) ?? []
      const yours = `what uses ${database} is yours to restart`
      if (trouble !== null) return [...said, `nothing is restarted: ${trouble}; ${yours}`]
      const from = clients.elsewhere.join(', ')
      const unknown =
        from === '' ? [] : [`sessions from ${from} are of no container here: ${yours} there`]
      return [...said, ...(await restart(clients.containers, served)), ...unknown]
    },
  }
}

/** In words what came of it. */
async function restart(
  containers: readonly Container[],
  { place }: Served,
): Promise<readonly string[]> {
  if (containers.length === 0) return []
  const { signal } = new AbortController()
  const asked = { grace: GRACE, signal }
  const { restarted, failed } = await restartAll(await openEngine(place.engine), containers, asked)
  return [...(restarted.length === 0 ? [] : [`restarted ${restarted.join(', ')}`]), ...failed]
}

/** By its name, or by its id as engines print it. */
function isNamed({ id, name }: Container, text: string): boolean {
  return name === text || (text.length >= 12 && id.startsWith(text))
}

/** Neither the server itself nor any of ours counts. */
async function clientsOf(
  { server, place, database }: Served,
  signal: AbortSignal,
): Promise<Clients> {
  const sql = `select distinct coalesce(host(client_addr), 'its own socket') as address from pg_stat_activity
    where datname = ${literal(database)} and backend_type = 'client backend'
      and coalesce(application_name, '') <> 'holdfast'`
  const sessions = await askBeside<{ readonly address: string }>(server, sql, signal)
  if (sessions.length === 0) return NOBODY
  const running = (await listContainers(await openEngine(place.engine), signal)).filter(
    ({ state }) => state === 'running',
  )
  const own = await ownContainer()
  const isClient = (one: Container) =>
    one.id !== own && !(HELPER_LABEL in one.labels) && !isNamed(one, place.container)
  const from = new Set(sessions.map(({ address }) => address))
  const at = running.filter(({ addresses }) => addresses.some((one) => from.has(one)))
  const known = new Set(at.flatMap(({ addresses }) => addresses))
  return {
    containers: at.filter(isClient),
    elsewhere: [...from].filter((address) => !known.has(address)).toSorted(),
  }
}
