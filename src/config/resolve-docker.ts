import type {
  AutoSettings,
  AutoTemplate,
  DesiredApp,
  DockerSettings,
  Ignore,
  VolumeSettings,
} from '../core/docker-settings.ts'
import { parseEngineAddress, USUAL_ENGINE } from '../core/engine-address.ts'
import type { Channel, Desired, DesiredTarget, Encryption, Instant } from '../core/model.ts'
import { parseInstant } from '../lib/time.ts'
import { autoTemplate } from './auto-template.ts'
import type { Block } from './block.ts'
import { blockOf, child, fault, flag, item, items, named, read, strings, text } from './block.ts'
import type { PlacedJob } from './resolve-jobs.ts'

type Docker = Pick<Desired, 'docker' | 'apps' | 'auto' | 'ignore'>

/** What stands around the blocks about Docker. */
export interface DockerSurroundings {
  /** The top level and each organization. */
  readonly levels: readonly (readonly [string | null, Block])[]
  readonly targets: readonly DesiredTarget[]
  readonly channels: readonly Channel[]
  readonly encryption: Encryption | null
  readonly jobs: readonly PlacedJob[]
  /** `DOCKER_HOST`, or null. */
  readonly usualHost: string | null
}

/** The engine, what the file says of apps on it, and what is left alone. */
export function resolveDocker(root: Block, around: DockerSurroundings): Docker {
  const docker = dockerOf(root, around)
  const apps = around.levels.flatMap(([name, level]) => appsOf(level, name))
  checkApps(around.levels)
  return { docker, apps, auto: autoOf(root, docker, around), ignore: ignoresOf(root) }
}

/** Kinds of sources that live in containers, or may. */
const IN_DOCKER = ['volume', 'postgres', 'mysql', 'mariadb', 'mongo']

function dockerOf(root: Block, { jobs, usualHost }: DockerSurroundings): DockerSettings | null {
  const block = child(root, 'docker')
  const isNeeded = jobs.some(({ job }) =>
    job.sources.some(
      ({ kind, options }) =>
        IN_DOCKER.includes(kind) && (kind === 'volume' || options.container !== undefined),
    ),
  )
  if (block === null && !isNeeded) return null
  const declared = block && text(block, 'host')
  const host = declared ?? usualHost ?? USUAL_ENGINE
  const address = parseEngineAddress(host)
  if (address.kind === 'bad') {
    const words = declared === null ? `DOCKER_HOST is no address: ${address.why}` : address.why
    fault(block ?? root, declared === null ? 'docker' : 'host', words)
  }
  const discover = block === null ? false : read(block, 'discover')
  return { host, discover: discover === 'all' ? 'all' : discover === true }
}

function appsOf(level: Block, organization: string | null): readonly DesiredApp[] {
  return named(level, 'apps').map(([name, block]) => {
    const volumes = child(block, 'volumes')
    return { organization, name, volumes: volumes && volumesOf(volumes) }
  })
}

function volumesOf(block: Block): ReadonlyMap<string, VolumeSettings> {
  return new Map(
    [...block.tree.entries.keys()].flatMap((name): [string, VolumeSettings][] => {
      const found = item(block, name)
      if (found === null) return []
      const own = blockOf(found, block.context)
      if (own !== null) return [[name, volumeOf(own)]]
      return [[name, { ...USUAL, persistent: flag(block, name) !== false }]]
    }),
  )
}

const USUAL: VolumeSettings = {
  persistent: true,
  strategy: 'auto',
  exclude: [],
  stop: false,
  pause: false,
}

function volumeOf(block: Block): VolumeSettings {
  const strategy = text(block, 'strategy')
  const stop = flag(block, 'stop') === true
  const pause = flag(block, 'pause') === true
  if (stop && pause) fault(block, 'pause', 'stands beside "stop"', 'keep one of them')
  return {
    persistent: flag(block, 'persistent') !== false,
    strategy: strategy === 'tar' || strategy === 'dump' ? strategy : 'auto',
    exclude: strings(block, 'exclude'),
    stop,
    pause,
  }
}

/** An engine knows nothing of organizations: an app is of one. */
function checkApps(levels: readonly (readonly [string | null, Block])[]): void {
  const seen = new Map<string, string>()
  for (const [, level] of levels) {
    for (const [name, block] of named(level, 'apps')) {
      const first = seen.get(name)
      if (first !== undefined) {
        block.context.faults.add(block.place, block.path, `app "${name}" stands at ${first} too`)
      }
      seen.set(name, block.path)
    }
  }
}

function autoOf(
  root: Block,
  docker: DockerSettings | null,
  around: DockerSurroundings,
): AutoSettings | null {
  const found = item(root, 'auto')
  const block = found && blockOf(found, root.context)
  const isOn = block !== null || flag(root, 'auto') === true
  if (isOn && (docker === null || docker.discover === false)) {
    const hint = 'write docker: { discover: true }, or take auto out'
    fault(root, 'auto', 'makes jobs for apps, and none are looked for', hint)
  }
  if (docker === null || docker.discover === false || (found !== null && !isOn)) return null
  const templates: readonly AutoTemplate[] = around.levels.map(([organization]) =>
    autoTemplate(organization, around),
  )
  return {
    stagger: block !== null && flag(block, 'stagger') === true,
    except: block === null ? [] : strings(block, 'except'),
    templates,
  }
}

const SUBJECTS = ['volume', 'path', 'database', 'app'] as const

function ignoresOf(root: Block): readonly Ignore[] {
  return items(root, 'ignore').flatMap((one) => {
    const block = blockOf(one, root.context)
    if (block === null) return []
    const [kind, other] = SUBJECTS.filter((key) => block.tree.entries.has(key))
    if (kind === undefined) return []
    if (other !== undefined) {
      fault(block, other, `stands beside "${kind}"`, 'give each an entry of its own')
    }
    const day = text(block, 'until')
    return [
      {
        kind,
        name: text(block, kind) ?? '',
        reason: text(block, 'reason')?.trim() ?? '',
        until: day === null ? null : endOf(day, block),
        day,
      },
    ]
  })
}

const DAY = 86_400_000

/** The instant after the last one of a day. */
function endOf(day: string, block: Block): Instant | null {
  const midnight = parseInstant(day)
  if (midnight === null) {
    // Of another form, the schema has its fault already.
    if (/^\d{4}-\d\d-\d\d$/.test(day)) fault(block, 'until', 'is no day of the calendar')
    return null
  }
  return (midnight + DAY) as Instant
}
