import type { DockerSettings } from '../core/docker-settings.ts'
import { parseEngineAddress } from '../core/engine-address.ts'
import type { Instant } from '../core/model.ts'
import {
  type ContainerSeen,
  type DockerSeen,
  type Surroundings,
  wordsOf,
} from '../core/surroundings.ts'
import { type Container, listContainers, lookAtContainer } from '../docker/containers.ts'
import { type Engine, lookAtEngine, openEngine } from '../docker/engine.ts'
import { isMissing } from '../docker/trouble.ts'
import { listVolumes } from '../docker/volumes.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import { messageOf, Refused } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'

/** How long a look may take. */
export interface LookBounds {
  readonly signal: AbortSignal
  /** For each server and engine, in milliseconds. */
  readonly limit?: number
}

/** A server or an engine that does not tell what it has within this is left at what it had, in milliseconds. */
export const LOOK_LIMIT = 20_000

/** Who looks, and when. */
export interface Looker {
  readonly instance: string
  readonly labels: readonly string[]
  readonly now: Instant
}

/** Containers that are asked about at once. */
const ASKED_AT_ONCE = 4

/** What a look remembers for the next: a container's environment never changes. */
export type SeenWords = Map<string, ContainerSeen['words']>

/** What one instance sees beside its targets. An engine that cannot be looked at is an error in it. */
export async function lookAtSurroundings(
  docker: DockerSettings | null,
  { instance, labels, now }: Looker,
  words: SeenWords,
  { signal, limit = LOOK_LIMIT }: LookBounds,
): Promise<Surroundings> {
  const about = { instance, labels, at: now }
  if (docker === null || docker.discover === false) return { ...about, docker: null }
  try {
    const limited = withTimeLimit(signal, limit, `the look at ${docker.host}`)
    return { ...about, docker: await lookAtDocker(docker.host, words, limited) }
  } catch (error) {
    signal.throwIfAborted()
    return { ...about, docker: { error: messageOf(error) } }
  }
}

async function lookAtDocker(
  host: string,
  words: SeenWords,
  signal: AbortSignal,
): Promise<DockerSeen> {
  const address = parseEngineAddress(host)
  if (address.kind === 'bad')
    throw new Refused(`${host} is no address of an engine: ${address.why}`)
  const engine = await openEngine(address)
  const { id, version } = await lookAtEngine(engine, signal)
  const volumes = await listVolumes(engine, signal)
  const containers = await listContainers(engine, signal)
  await learnWords(engine, containers, words, signal)
  return {
    engine: id,
    host,
    version,
    volumes: volumes.map(({ name, driver, labels, path }) => ({
      name,
      driver,
      labels,
      mountpoint: path,
    })),
    containers: containers.map((one) => containerSeen(one, words)),
  }
}

function containerSeen(container: Container, words: SeenWords): ContainerSeen {
  const { id, name, image, labels, state, mounts } = container
  return {
    id,
    name,
    image,
    labels,
    state,
    isService: SERVICE in labels,
    words: words.get(id) ?? {},
    mounts: mounts.map(({ kind, volume, source, target, readOnly }) => ({
      kind,
      volume,
      source,
      destination: target,
      isWritable: !readOnly,
    })),
  }
}

/** What a Swarm puts on each task of a service. */
const SERVICE = 'com.docker.swarm.service.id'

async function learnWords(
  engine: Engine,
  containers: readonly Container[],
  words: SeenWords,
  signal: AbortSignal,
): Promise<void> {
  const there = new Set(containers.map(({ id }) => id))
  for (const id of words.keys()) if (!there.has(id)) words.delete(id)
  const unknown = [...there].filter((id) => !words.has(id))
  await forEachConcurrent(unknown, ASKED_AT_ONCE, async (id) => {
    try {
      const { env } = await lookAtContainer(engine, id, signal)
      words.set(id, wordsOf(env))
    } catch (error) {
      // Removed since it was listed.
      if (!isMissing(error)) throw error
    }
  })
}
