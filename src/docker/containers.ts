import type Dockerode from 'dockerode'
import { ask, type Engine } from './engine.ts'

/** A container, as a list tells it. */
export interface Container {
  readonly id: string
  /** Without the slash that engines put before it. */
  readonly name: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
  readonly state: ContainerState
  readonly mounts: readonly Mount[]
  /** Addresses of its networks, that of the bridge among them; none while it does not run. */
  readonly addresses: readonly string[]
}

export type ContainerState =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead'

/** Something that a container sees at `target`. */
export interface Mount {
  /** `volume`, `bind`, `tmpfs`, or what newer engines add. */
  readonly kind: string
  /** Of a volume. */
  readonly volume: string | null
  /** Where the engine's machine has it. */
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
}

/** A container by itself. */
export interface ContainerDetails extends Container {
  readonly env: Readonly<Record<string, string>>
  readonly user: string
  /** Id of its image, which stays when the name goes on to another one. */
  readonly imageId: string
  /** Of the Swarm service that it is a task of. */
  readonly service: string | null
  readonly restarts: boolean
  /** Whether its engine removes it when it ends. */
  readonly isPassing: boolean
  /** When it began to run last, as the engine writes it: another time is another run. */
  readonly startedAt: string
}

/** Every container, those that do not run too. */
export async function listContainers(
  engine: Engine,
  signal: AbortSignal,
): Promise<readonly Container[]> {
  const listed = await ask(engine, { what: 'list containers', signal }, (client, abortSignal) =>
    client.listContainers({ all: true, abortSignal }),
  )
  return listed.map((one) => ({
    id: one.Id,
    name: (one.Names[0] ?? one.Id).replace(/^\//, ''),
    image: one.Image,
    labels: one.Labels ?? {},
    state: one.State as ContainerState,
    mounts: (one.Mounts ?? []).map(mountOf),
    addresses: addressesIn(one.NetworkSettings?.Networks),
  }))
}

function addressesIn(
  networks: Readonly<Record<string, NetworkSeen>> | undefined,
): readonly string[] {
  return Object.values(networks ?? {}).flatMap(({ IPAddress, GlobalIPv6Address }) =>
    [IPAddress, GlobalIPv6Address].filter((address) => address !== undefined && address !== ''),
  ) as readonly string[]
}

interface NetworkSeen {
  readonly IPAddress?: string
  readonly GlobalIPv6Address?: string
}

/** A container by name or id. Throws `EngineRefused` with status 404 when there is none. */
export async function lookAtContainer(
  engine: Engine,
  container: string,
  signal: AbortSignal,
): Promise<ContainerDetails> {
  const question = { what: `look at container ${container}`, signal }
  const told = await ask(engine, question, (client, abortSignal) =>
    client.getContainer(container).inspect({ abortSignal }),
  )
  const { Config: settings, HostConfig: host, NetworkSettings: network } = told
  const labels = settings.Labels ?? {}
  return {
    id: told.Id,
    name: told.Name.replace(/^\//, ''),
    image: settings.Image,
    imageId: told.Image,
    labels,
    state: told.State.Status as ContainerState,
    mounts: (told.Mounts ?? []).map(mountOf),
    env: Object.fromEntries((settings.Env ?? []).map(variable)),
    user: settings.User,
    addresses: addressesIn(network.Networks),
    service: labels['com.docker.swarm.service.name'] ?? null,
    isPassing: host.AutoRemove === true,
    restarts: !['', 'no'].includes(host.RestartPolicy?.Name ?? ''),
    startedAt: told.State.StartedAt,
  }
}

function mountOf(mount: {
  readonly Type?: string | undefined
  readonly Name?: string | undefined
  readonly Source: string
  readonly Destination: string
  readonly RW: boolean
}): Mount {
  return {
    kind: mount.Type ?? 'bind',
    volume: mount.Type === 'volume' ? (mount.Name ?? null) : null,
    source: mount.Source,
    target: mount.Destination,
    readOnly: !mount.RW,
  }
}

function variable(line: string): readonly [string, string] {
  const equals = line.indexOf('=')
  return equals < 0 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)]
}

/** How long past a container's own grace the engine may take to stop it, in milliseconds. */
const STOP_MARGIN = 30_000

/**
 * Stops a container: its stop signal, and SIGKILL after `grace` seconds. Resolves to whether it ran;
 * one that is stopped already stays so.
 */
export function stopContainer(
  engine: Engine,
  container: string,
  { grace, signal }: { readonly grace: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const timeLimit = grace * 1000 + STOP_MARGIN
  return turn(engine, { what: `stop ${container}`, container, timeLimit, signal }, (one) =>
    one.stop({ t: grace }),
  )
}

/** Starts a container that is stopped; resolves to whether it was. */
export function startContainer(
  engine: Engine,
  container: string,
  signal: AbortSignal,
): Promise<boolean> {
  const order = { what: `start ${container}`, container, timeLimit: STOP_MARGIN, signal }
  return turn(engine, order, (one) => one.start())
}

/** Freezes every process of a container. Throws `EngineRefused`, 409 when it does not run. */
export async function pauseContainer(
  engine: Engine,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  const order = { what: `pause ${container}`, container, timeLimit: STOP_MARGIN, signal }
  await turn(engine, order, (one) => one.pause())
}

/** Lets a paused container go on. Throws `EngineRefused` when it is not paused. */
export async function unpauseContainer(
  engine: Engine,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  const order = { what: `unpause ${container}`, container, timeLimit: STOP_MARGIN, signal }
  await turn(engine, order, (one) => one.unpause())
}

/** Stops and starts a container; starts one that is stopped. */
export async function restartContainer(
  engine: Engine,
  container: string,
  { grace, signal }: { readonly grace: number; readonly signal: AbortSignal },
): Promise<void> {
  const timeLimit = grace * 1000 + 2 * STOP_MARGIN
  await turn(engine, { what: `restart ${container}`, container, timeLimit, signal }, (one) =>
    one.restart({ t: grace }),
  )
}

interface Order {
  readonly what: string
  readonly container: string
  readonly timeLimit: number
  readonly signal: AbortSignal
}

/** The engine says 304 to what is so already, which its library takes for an error. */
const SO_ALREADY = 304

async function turn(
  engine: Engine,
  { container, ...question }: Order,
  work: (container: Dockerode.Container) => Promise<unknown>,
): Promise<boolean> {
  return await ask(engine, question, async (client) => {
    try {
      await work(client.getContainer(container))
      return true
    } catch (error) {
      const isSo = error instanceof Error && 'statusCode' in error
      if (isSo && error.statusCode === SO_ALREADY) return false
      throw error
    }
  })
}
