import type { AppNames } from './app-names.ts'
import { fitName, isAnonymous } from './app-names.ts'
import { dataMountOf } from './database-images.ts'
import { byText } from './order.ts'
import { type ContainerSeen, isUp, type VolumeSeen } from './surroundings.ts'

/** Whose a volume is, and who else may write to it. */
export interface Shared {
  readonly app: string | null
  readonly others: readonly string[]
}

/**
 * Each volume belongs to one app, so that it is backed up once: the one whose database lives in it,
 * else the one that its own labels or name tell, else one that may write to it, that runs, and that
 * comes first by name. Without a user it is of the app that it tells, or by itself; one that nobody
 * named and nobody uses is nobody's.
 */
export function ownersOf(
  volumes: readonly VolumeSeen[],
  apps: ReadonlyMap<string, readonly ContainerSeen[]>,
  names: AppNames,
): ReadonlyMap<string, Shared> {
  return new Map(
    volumes.map((volume) => {
      const told = names.ofVolume(volume)
      const users = [...apps].flatMap(([app, containers]) => useOf(volume, app, containers, told))
      const [first, ...others] = users.toSorted(
        (one, other) => other.weight - one.weight || byText(one.app, other.app),
      )
      const lone = isAnonymous(volume) ? null : (told ?? fitName(volume.name))
      const writers = others.filter(({ writes }) => writes).map(({ app }) => app)
      return [volume.name, { app: first?.app ?? lone, others: writers.toSorted(byText) }]
    }),
  )
}

interface Use {
  readonly app: string
  readonly weight: number
  readonly writes: boolean
}

function useOf(
  { name }: VolumeSeen,
  app: string,
  containers: readonly ContainerSeen[],
  told: string | null,
): readonly Use[] {
  const mounted = containers.flatMap((container) =>
    container.mounts.filter(({ volume }) => volume === name).map((mount) => ({ container, mount })),
  )
  if (mounted.length === 0) return []
  const serves = mounted.some(({ container, mount }) => dataMountOf(container) === mount)
  const writes = mounted.some(({ mount }) => mount.isWritable)
  const runs = mounted.some(({ container }) => isUp(container))
  const weight = 8 * Number(serves) + 4 * Number(told === app) + 2 * Number(writes) + Number(runs)
  return [{ app, weight, writes }]
}
