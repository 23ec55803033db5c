import type { EngineAddress } from '../../core/engine-address.ts'
import {
  type Container,
  listContainers,
  lookAtContainer,
  restartContainer,
} from '../../docker/containers.ts'
import { type Engine, openEngine } from '../../docker/engine.ts'
import { ownContainer } from '../../docker/own-container.ts'
import { messageOf } from '../../lib/errors.ts'
import type { SourceContext, Staging } from '../source.ts'
import { askBeside } from './catalog.ts'
import type { Server } from './server.ts'
import { literal } from './sql.ts'

/** Of a server in a container, whose clients may run beside it. */
export interface Served {
  readonly server: Server
  readonly host: EngineAddress
  readonly database: string
}

/** Seconds that a container has to end by itself. */
const GRACE = 30

/** A staging that lets the containers with sessions of its database begin anew, once that was replaced. */
export function withRestart(inner: Staging, served: Served, { tell }: SourceContext): Staging {
  const { signal: never } = new AbortController()
  let clients: readonly Container[] = []
  return {
    ...inner,
    async finish(exit, signal) {
      const staged = await inner.finish(exit, signal)
      // Looked for while they are there still: the swap ends their sessions, and with that maybe them.
      clients = await clientsOf(served, signal)
      return staged
    },
    async swapped() {
      const said = [...((await inner.swapped?.()) ?? [])]
      const engine = await openEngine(served.host)
      const restarted: string[] = []
      for (const { id, name } of clients) {
        try {
          await restartContainer(engine, id, { grace: GRACE, signal: never })
          restarted.push(name)
        } catch (error) {
          said.push(`not restarted: ${name}: ${messageOf(error)}`)
        }
      }
      const message = `restarted ${restarted.join(', ')} for database ${served.database}`
      if (restarted.length > 0) tell?.('source.resumed', message, { containers: restarted })
      return said
    },
  }
}

/** Containers that sessions of the database come from, but for our own. */
async function clientsOf(
  { server, host, database }: Served,
  signal: AbortSignal,
): Promise<readonly Container[]> {
  const sql = `select distinct host(client_addr) as address from pg_stat_activity
    where datname = ${literal(database)} and client_addr is not null`
  const sessions = await askBeside<{ readonly address: string }>(server, sql, signal)
  if (sessions.length === 0) return []
  const addresses = new Set(sessions.map(({ address }) => address))
  const engine = await openEngine(host)
  const own = await ownContainer()
  const clients: Container[] = []
  for (const one of await listContainers(engine, signal)) {
    if (one.state !== 'running' || one.id === own) continue
    if (await isAt(addresses, one, engine, signal)) clients.push(one)
  }
  return clients
}

async function isAt(
  addresses: ReadonlySet<string>,
  { id }: Container,
  engine: Engine,
  signal: AbortSignal,
): Promise<boolean> {
  const details = await lookAtContainer(engine, id, signal)
  return details.addresses.some((address) => addresses.has(address))
}
