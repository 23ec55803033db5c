import { appsIn, type FoundApp } from './apps.ts'
import type { DiscoverySettings } from './docker-settings.ts'
import { byText, groupedBy, sortedBy } from './order.ts'
import { type DockerSeen, dockerOf, type Surroundings } from './surroundings.ts'

/** An app with who sees it. */
export interface SeenApp {
  readonly found: FoundApp
  readonly organization: string | null
  /** Names of the instances that see its engine, sorted. */
  readonly instances: readonly string[]
  /** Those, and their labels: what `on` of a job may name. */
  readonly words: readonly string[]
  /** Id of its engine, or of the instance where the engine tells none. */
  readonly engine: string
}

/** An engine with who sees it. */
export interface SeenEngine {
  readonly docker: DockerSeen
  readonly id: string
  /** Sorted. */
  readonly instances: readonly string[]
  readonly words: readonly string[]
}

/** The engines that somebody sees, each once, by who sees them; of two looks at one, the later. */
export function enginesOf(surroundings: readonly Surroundings[]): readonly SeenEngine[] {
  const looks = surroundings.flatMap((one) => {
    const docker = dockerOf(one)
    return docker === null ? [] : [{ ...one, docker, id: docker.engine || `of ${one.instance}` }]
  })
  const engines = [...groupedBy(looks, ({ id }) => id)].flatMap(([id, those]) => {
    const [newest] = those.toSorted(
      (one, other) => other.at - one.at || byText(one.instance, other.instance),
    )
    const instances = [...new Set(those.map(({ instance }) => instance))].toSorted(byText)
    const words = [...new Set([...instances, ...those.flatMap(({ labels }) => labels)])]
    return newest === undefined ? [] : [{ docker: newest.docker, id, instances, words }]
  })
  return sortedBy(engines, ({ instances, id }) => JSON.stringify([instances, id]))
}

/** The apps of all engines that somebody sees, by name and instance. */
export function appsOf(
  surroundings: readonly Surroundings[],
  settings: DiscoverySettings,
): readonly SeenApp[] {
  const all = enginesOf(surroundings).flatMap(({ docker, id: engine, instances, words }) =>
    appsIn(docker, settings).map((found) => {
      const declared = settings.apps.find(({ name }) => name === found.name)
      return { found, organization: declared?.organization ?? null, instances, words, engine }
    }),
  )
  return sortedBy(all, ({ found, instances }) => JSON.stringify([found.name, instances]))
}
