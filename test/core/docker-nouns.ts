import { JOB_MAKING } from '../../src/config/auto-template.ts'
import type { AutoTemplate } from '../../src/core/docker-settings.ts'
import type { Desired } from '../../src/core/model.ts'
import type {
  ContainerSeen,
  DockerSeen,
  MountSeen,
  Surroundings,
  VolumeSeen,
} from '../../src/core/surroundings.ts'
import { at, desired, job, target } from './plan-nouns.ts'

export const NOW = at('2026-11-20T12:00:00Z')
export const MAKING = JOB_MAKING

export function volume(name: string, labels: VolumeSeen['labels'] = {}): VolumeSeen {
  return { name, driver: 'local', labels, mountpoint: `/var/lib/docker/volumes/${name}/_data` }
}

/** `data:/var/lib/data`, `/srv/x:/etc/x:ro`: as compose writes them. */
export function mount(text: string): MountSeen {
  const [source = '', destination = '', mode] = text.split(':')
  const isBind = source.startsWith('/')
  return {
    kind: isBind ? 'bind' : 'volume',
    volume: isBind ? null : source,
    source: isBind ? source : `/var/lib/docker/volumes/${source}/_data`,
    destination,
    isWritable: mode !== 'ro',
  }
}

export function container(
  name: string,
  mounts: readonly string[] = [],
  changes: Partial<ContainerSeen> = {},
): ContainerSeen {
  return {
    id: `id-${name}`,
    name,
    image: 'local/web:1',
    labels: {},
    state: 'running',
    isService: false,
    mounts: mounts.map(mount),
    words: {},
    ...changes,
  }
}

/** Labels of compose. */
export function composed(project: string, service: string): ContainerSeen['labels'] {
  return { 'com.docker.compose.project': project, 'com.docker.compose.service': service }
}

/** A volume as compose makes it. */
export function composedVolume(
  project: string,
  name: string,
  labels: VolumeSeen['labels'] = {},
): VolumeSeen {
  return volume(`${project}_${name}`, {
    'com.docker.compose.project': project,
    'com.docker.compose.volume': name,
    ...labels,
  })
}

export function engine(
  containers: readonly ContainerSeen[],
  volumes: readonly VolumeSeen[],
  id = 'engine-1',
): DockerSeen {
  const host = 'unix:///var/run/docker.sock'
  return { engine: id, host, version: '20.10.24', volumes, containers }
}

export function seenBy(instance: string, docker: Surroundings['docker']): Surroundings {
  return { instance, labels: [], at: NOW, docker }
}

const KEPT = { keepLast: 1, keepDaily: 7, keepWeekly: 1, keepMonthly: 1 }

export function template(organization: string | null = null): AutoTemplate {
  const { id, name, title, schedule, sources, app, on, fingerprint, facts, ...rest } = job(
    'template',
    { keep: KEPT },
    { encryption: null },
  )
  return { ...rest, organization, compression: { kind: 'gzip', level: 6 }, format: 'vardo' }
}

/** A config with discovery on, one target, and nothing else. */
export function discovering(changes: Partial<Desired> = {}): Desired {
  return desired([target('nas')], [], {
    docker: { host: 'unix:///var/run/docker.sock', discover: true },
    auto: { stagger: false, except: [], templates: [template()] },
    ...changes,
  })
}

const KEEP = { 'holdfast.persistent': 'true' }

/** A compose app with uploads and a database, both labelled. */
export const SHOP = engine(
  [
    container('shop-web-1', ['shop_uploads:/srv/uploads', '/etc/localtime:/etc/localtime:ro'], {
      labels: composed('shop', 'web'),
    }),
    container('shop-db-1', ['shop_pgdata:/var/lib/postgresql/data'], {
      image: 'postgres:15',
      labels: composed('shop', 'db'),
      words: { POSTGRES_USER: 'shop', POSTGRES_DB: 'shop' },
    }),
  ],
  [composedVolume('shop', 'uploads', KEEP), composedVolume('shop', 'pgdata', KEEP)],
)
