import { appNames, fitName, isAnonymous, logicalName, markOf, serviceOf } from './app-names.ts'
import { type DatabaseKind, databaseOf, dataMountOf } from './database-images.ts'
import type { DiscoverySettings, VolumeSettings } from './docker-settings.ts'
import { isNoData } from './mount-places.ts'
import { byText, groupedBy, sortedBy } from './order.ts'
import { type Persistence, persistenceOf } from './persistence.ts'
import { choose, type ResolvedVolume } from './resolve-volume.ts'
import {
  type ContainerSeen,
  type DockerSeen,
  isUp,
  type MountSeen,
  type VolumeSeen,
} from './surroundings.ts'
import { ownersOf, type Shared } from './volume-owners.ts'

/** What runs together: a compose project, an app of Vardo, or a container alone. */
export interface FoundApp {
  readonly name: string
  /** By name; the bind mounts, too. */
  readonly volumes: readonly FoundVolume[]
  /** Names of its containers, sorted. */
  readonly containers: readonly string[]
  /** Names of its services, sorted. */
  readonly services: readonly string[]
}

export interface FoundVolume {
  readonly kind: 'volume' | 'bind'
  /** What the app calls it. */
  readonly name: string
  /** What the engine calls it; of a bind mount, its path there. */
  readonly dockerName: string
  /** Other volumes of the engine that the name could mean: the idle slot of Vardo. */
  readonly others: readonly string[]
  readonly doubt: string | null
  /** In the first of its users. */
  readonly destination: string | null
  /** Names of the app's containers that mount it, sorted. */
  readonly users: readonly string[]
  readonly persistent: Persistence
  readonly strategy: FoundStrategy
  /** The volume that the app's name for it means instead; absent where it is meant itself. */
  readonly twinOf?: string
  /** Other apps that mount it and may write to it. */
  readonly sharedWith: readonly string[]
}

export type FoundStrategy =
  | { readonly kind: 'tar' }
  | {
      readonly kind: 'dump'
      readonly database: DatabaseKind
      /** Name of the container that has the server. */
      readonly container: string
      readonly service: string
    }

/** The apps of an engine, by name, with what each keeps. Equal inputs give equal apps, in any order. */
export function appsIn(docker: DockerSeen, settings: DiscoverySettings): readonly FoundApp[] {
  const volumes = sortedBy(docker.volumes, ({ name }) => name)
  const containers = sortedBy(docker.containers, ({ id }) => id)
  const names = appNames(
    { ...docker, volumes, containers },
    settings.apps.map(({ name }) => name),
  )
  const byApp = groupedBy(containers, names.ofContainer)
  const owners = ownersOf(volumes, byApp, names)
  const owned = groupedBy(volumes, ({ name }) => owners.get(name)?.app ?? null)
  const all = new Set([...byApp.keys(), ...[...owned.keys()].filter((name) => name !== null)])
  return [...all].toSorted(byText).map((name) => {
    const own = byApp.get(name) ?? []
    const scene = { app: name, containers: own, owners, settings }
    return {
      name,
      volumes: sortedBy(
        [...volumesOf(owned.get(name) ?? [], scene), ...bindsOf(scene)],
        (one) => one.name,
      ),
      containers: own.map((one) => one.name).toSorted(byText),
      services: [...new Set(own.map(serviceOf))].toSorted(byText),
    }
  })
}

/** Settings of one volume of an app that the file names, or null. */
export function settingsOf(
  { apps }: Pick<DiscoverySettings, 'apps'>,
  app: string,
  volume: string,
): VolumeSettings | null {
  const declared = apps.find(({ name }) => name === app)
  return declared?.volumes?.get(volume) ?? null
}

interface Scene {
  readonly app: string
  readonly containers: readonly ContainerSeen[]
  readonly owners: ReadonlyMap<string, Shared>
  readonly settings: DiscoverySettings
}

function volumesOf(volumes: readonly VolumeSeen[], scene: Scene): readonly FoundVolume[] {
  const { app, containers } = scene
  const byName = groupedBy(volumes, (one) => nameIn(one, scene))
  return [...byName].flatMap(([name, candidates]) => {
    const chosen = choose(candidates, { app, volume: name, containers })
    const seen = candidates.find((one) => one.name === chosen?.dockerName)
    if (chosen === null || seen === undefined) return []
    return foundVolume(name, seen, chosen, scene)
  })
}

function foundVolume(
  name: string,
  seen: VolumeSeen,
  { dockerName, others, doubt }: ResolvedVolume,
  scene: Scene,
): FoundVolume {
  const mounted = mountedBy(scene.containers, ({ volume }) => volume === dockerName)
  const users = mounted.map(({ container }) => container)
  return {
    kind: 'volume',
    name,
    dockerName,
    others,
    doubt,
    destination: mounted[0]?.mount.destination ?? null,
    users: users.map((one) => one.name).toSorted(byText),
    persistent: persistenceOf(
      { app: scene.app, volume: name, labels: seen.labels, users },
      scene.settings,
    ),
    strategy: strategyOf(mounted, settingsOf(scene.settings, scene.app, name)),
    sharedWith: scene.owners.get(dockerName)?.others ?? [],
  }
}

/** A folder of the machine is the machine's: a job has it by its path, as a source of type directory. */
const NOT_ASKED: Persistence = { is: 'unsaid', why: 'it is a folder of the machine' }

function bindsOf({ containers }: Scene): readonly FoundVolume[] {
  const sources = new Set(
    containers.flatMap(({ mounts }) =>
      mounts
        .filter(({ kind, source }) => kind === 'bind' && !isNoData(source))
        .map(({ source }) => source),
    ),
  )
  return [...sources].toSorted(byText).map((source) => {
    const mounted = mountedBy(
      containers,
      (mount) => mount.kind === 'bind' && mount.source === source,
    )
    const users = mounted.map(({ container }) => container)
    const name = `${pathName(source)}-${markOf(source)}`
    return {
      kind: 'bind' as const,
      name,
      dockerName: source,
      others: [],
      doubt: null,
      destination: mounted[0]?.mount.destination ?? null,
      users: users.map((one) => one.name).toSorted(byText),
      persistent: NOT_ASKED,
      strategy: strategyOf(mounted, null),
      sharedWith: [],
    }
  })
}

interface Mounted {
  readonly container: ContainerSeen
  readonly mount: MountSeen
}

/** Who mounts it, what runs first, then by name. */
function mountedBy(
  containers: readonly ContainerSeen[],
  is: (mount: MountSeen) => boolean,
): readonly Mounted[] {
  return containers
    .flatMap((container) => container.mounts.filter(is).map((mount) => ({ container, mount })))
    .toSorted(
      (one, other) =>
        Number(isUp(other.container)) - Number(isUp(one.container)) ||
        byText(one.container.name, other.container.name) ||
        byText(one.mount.destination, other.mount.destination),
    )
}

function strategyOf(mounted: readonly Mounted[], settings: VolumeSettings | null): FoundStrategy {
  if (settings?.strategy === 'tar') return { kind: 'tar' }
  const isAsked = settings?.strategy === 'dump'
  const server = mounted.find(
    ({ container, mount }) =>
      dataMountOf(container) === mount || (isAsked && databaseOf(container)),
  )?.container
  const database = server === undefined ? null : databaseOf(server)
  if (server === undefined || database === null) return { kind: 'tar' }
  return { kind: 'dump', database, container: server.name, service: serviceOf(server) }
}

/** An anonymous volume is called after the service and the place that it is mounted at. */
function nameIn(volume: VolumeSeen, { app, containers }: Scene): string {
  if (!isAnonymous(volume)) return logicalName(volume, app)
  const [first] = mountedBy(containers, (mount) => mount.volume === volume.name)
  if (first === undefined) return fitName(volume.name.slice(0, 12))
  const { container, mount } = first
  return fitName(`${serviceOf(container)}${pathName(mount.destination, '-')}`)
}

function pathName(path: string, prefix = ''): string {
  const words = path.split(/[^A-Za-z0-9._]+/).filter(Boolean)
  return words.length === 0 ? `${prefix}root` : prefix + words.join('-')
}
