import { hash32 } from './hash32.ts'
import type { ContainerSeen, DockerSeen, Labels, VolumeSeen } from './surroundings.ts'

/** Which app containers and volumes belong to, by labels first and by names where labels are silent. */
export interface AppNames {
  ofContainer(container: ContainerSeen): string
  /** By what the volume itself tells, whoever mounts it; null when it tells nothing. */
  ofVolume(volume: VolumeSeen): string | null
}

const PROJECT = 'com.docker.compose.project'
/** Where Vardo puts an app unless told, and the two slots that it deploys to in turn. */
const SUFFIX = /^(.+)-(blue|green|production)$/
const NAMED = /^(.+?-(?:blue|green|production))_(.+)$/

/** Reads the names off one engine; `known` are apps that the file names. */
export function appNames(docker: DockerSeen, known: readonly string[]): AppNames {
  const plain = plainProjects(docker)
  // A compose project of the bare name is an app by itself: "deep-blue" is no slot of "deep", then.
  const bare = (project: string) => {
    const [, stem] = SUFFIX.exec(project) ?? []
    return stem === undefined || plain.has(stem) ? project : stem
  }
  const ofContainer = ({ labels, name }: ContainerSeen) => {
    const project = projectOf(labels)
    return fitName(ofVardo(labels) ?? (project === null ? name : bare(project)))
  }
  const learned = new Map(
    docker.containers.flatMap((one) => {
      const project = projectOf(one.labels)
      return project === null ? [] : [[bare(project), ofContainer(one)] as const]
    }),
  )
  const apps = [...new Set([...known, ...learned.values()])]
  // The longest first: "shop-api_data" is of "shop-api", although "shop" is an app, too.
  apps.sort((one, other) => other.length - one.length || (one < other ? -1 : 1))
  return {
    ofContainer,
    ofVolume({ labels, name }) {
      const vardo = ofVardo(labels)
      if (vardo !== null) return fitName(vardo)
      const stem = projectOf(labels) ?? NAMED.exec(name)?.[1] ?? null
      if (stem !== null) return learned.get(bare(stem)) ?? fitName(bare(stem))
      const app = apps.find((one) => name.startsWith(`${one}_`) || isOfEnvironment(name, one))
      // Of an environment beside the usual one, as containers of Vardo are: another app.
      return app === undefined || name.startsWith(`${app}_`) ? (app ?? null) : stemOf(name, app)
    },
  }
}

/** The service that a container runs, by compose or Swarm, or its name. */
export function serviceOf({ labels, name }: Pick<ContainerSeen, 'labels' | 'name'>): string {
  return labels['com.docker.compose.service'] ?? labels['com.docker.swarm.service.name'] ?? name
}

/** What an app calls a volume: compose's name of it, or the engine's without what stands for the app. */
export function logicalName(volume: VolumeSeen, app: string): string {
  const own = volume.labels['com.docker.compose.volume']
  if (own !== undefined && own !== '') return fitName(own)
  const project = projectOf(volume.labels)
  const rest = [`${app}_`, ...(project === null ? [] : [`${project}_`])].find((prefix) =>
    volume.name.startsWith(prefix),
  )
  if (rest !== undefined) return fitName(volume.name.slice(rest.length))
  if (isOfEnvironment(volume.name, app)) {
    return fitName(volume.name.slice(app.length).replace(/^[^_]*_/, ''))
  }
  return fitName(NAMED.exec(volume.name)?.[2] ?? volume.name)
}

/** An engine calls volumes that nobody named by a random number. */
export function isAnonymous({ name, labels }: VolumeSeen): boolean {
  return /^[0-9a-f]{64}$/.test(name) && labels['com.docker.compose.volume'] === undefined
}

/** A name that configs and keys may hold; one that had to change ends in a mark of its own. */
export function fitName(name: string): string {
  const fit = name.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  if (fit === name && name !== '' && name.length <= 80) return name
  return `${fit.slice(0, 80) || 'unnamed'}-${markOf(name)}`
}

/** `my_shop-staging` of `my_shop-staging_data`, for `my_shop`. */
function stemOf(name: string, app: string): string {
  return fitName(name.slice(0, name.indexOf('_', app.length)))
}

/** `shop-staging_data` for `shop`. */
function isOfEnvironment(name: string, app: string): boolean {
  return name.startsWith(`${app}-`) && /^[^_]+_./.test(name.slice(app.length + 1))
}

/** Vardo labels its containers with the app and the environment; only the default one is the app itself. */
function ofVardo(labels: Labels): string | null {
  const app = labels['vardo.project'] || labels['host.project']
  if (!app) return null
  const environment = labels['vardo.environment']
  return !environment || environment === 'production' ? app : `${app}-${environment}`
}

function projectOf(labels: Labels): string | null {
  return labels[PROJECT] || labels['com.docker.stack.namespace'] || null
}

function plainProjects(docker: DockerSeen): ReadonlySet<string> {
  const all = [...docker.containers, ...docker.volumes]
  return new Set(
    all.flatMap(({ labels }) => {
      const project = projectOf(labels)
      return project === null || ofVardo(labels) !== null ? [] : [project]
    }),
  )
}

/** Hex digits that tell names apart which are the same once they fit. */
export function markOf(text: string): string {
  return hash32(text).toString(16).padStart(8, '0')
}
