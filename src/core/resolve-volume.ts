import { appNames, isAnonymous, logicalName } from './app-names.ts'
import { byText } from './order.ts'
import { type ContainerSeen, type DockerSeen, isUp, type VolumeSeen } from './surroundings.ts'

/** The engine's volume that an app means by a name of its own. */
export interface ResolvedVolume {
  readonly dockerName: string
  /** Stable words, the first that holds: a container that runs has it, a name of Vardo's, … */
  readonly by: 'running' | 'blue' | 'green' | 'environment' | 'compose' | 'mounted' | 'name'
  /** Others that could be meant, by name. */
  readonly others: readonly string[]
  /** What leaves a doubt, in words, or null. */
  readonly doubt: string | null
}

const RANKS = ['running', 'blue', 'green', 'environment', 'compose', 'mounted', 'name'] as const

/**
 * Looks up a volume as Vardo does, and then as compose does; null when it was never deployed. With
 * both slots alike the blue one is meant, as in Vardo's own order, and the doubt says so.
 */
export function resolveVolume(
  app: string,
  volume: string,
  docker: DockerSeen,
): ResolvedVolume | null {
  const names = appNames(docker, [app])
  const own = docker.containers.filter((one) => names.ofContainer(one) === app)
  const slots = new Set(['blue', 'green', 'production'].map((slot) => `${app}-${slot}`))
  const inhabited = new Set(docker.containers.map(names.ofContainer))
  const isOwn = (one: VolumeSeen) => {
    const owner = names.ofVolume(one)
    // A name alone gives no right to what says that it is another's, unless that is a slot of this app
    // which looks like an app of its own while nobody runs in it.
    const isSlot = owner !== null && slots.has(owner) && !inhabited.has(owner)
    if (staticRank(one, app, volume) !== null && (isSlot || (owner ?? app) === app)) return true
    const isOfApp = owner === app || usersOf(one, own).length > 0
    return isOfApp && !isAnonymous(one) && logicalName(one, app) === volume
  }
  return choose(docker.volumes.filter(isOwn), { app, volume, containers: own })
}

/** What a choice between volumes is made by. */
export interface Choice {
  readonly app: string
  readonly volume: string
  /** Of the app. */
  readonly containers: readonly ContainerSeen[]
}

/** The one that is meant among those that could be. */
export function choose(
  candidates: readonly VolumeSeen[],
  { app, volume, containers }: Choice,
): ResolvedVolume | null {
  const ranked = candidates
    .map((one) => {
      const byName = staticRank(one, app, volume)
      const users = usersOf(one, containers)
      const runs = users.some(isUp)
      const by = runs ? 'running' : (byName ?? (users.length > 0 ? 'mounted' : 'name'))
      return { name: one.name, by, order: RANKS.indexOf(byName ?? 'name') } as const
    })
    .toSorted(
      (one, other) =>
        RANKS.indexOf(one.by) - RANKS.indexOf(other.by) ||
        one.order - other.order ||
        byText(one.name, other.name),
    )
  const [first, ...rest] = ranked
  if (first === undefined) return null
  const others = rest.map(({ name }) => name).toSorted(byText)
  const equals = rest.filter(({ by }) => isAlike(by, first.by)).map(({ name }) => name)
  return { dockerName: first.name, by: first.by, others, doubt: doubtWords(first, equals) }
}

/** Containers that mount it. */
export function usersOf(
  { name }: Pick<VolumeSeen, 'name'>,
  containers: readonly ContainerSeen[],
): readonly ContainerSeen[] {
  return containers.filter(({ mounts }) => mounts.some((mount) => mount.volume === name))
}

function staticRank(
  { name, labels }: VolumeSeen,
  app: string,
  volume: string,
): ResolvedVolume['by'] | null {
  if (name === `${app}-blue_${volume}`) return 'blue'
  if (name === `${app}-green_${volume}`) return 'green'
  // Of another environment it is another app's: restored into, it would be lost.
  if (name === `${app}-production_${volume}`) return 'environment'
  const isComposed = labels['com.docker.compose.project'] === app
  if (name === `${app}_${volume}`) return 'compose'
  return isComposed && labels['com.docker.compose.volume'] === volume ? 'compose' : null
}

/** Blue goes before green by nothing but custom. */
function isAlike(one: ResolvedVolume['by'], other: ResolvedVolume['by']): boolean {
  if (one === other) return true
  return [one, other].every((by) => by === 'blue' || by === 'green')
}

function doubtWords(
  first: { readonly name: string; readonly by: ResolvedVolume['by'] },
  equals: readonly string[],
): string | null {
  if (equals.length === 0) return null
  const all = [first.name, ...equals].toSorted(byText).join(' and ')
  const why =
    first.by === 'running'
      ? 'containers that run have each of them'
      : 'no container that runs has any'
  return `${all} could be meant, and ${why}: ${first.name} is taken, which comes first by name`
}
