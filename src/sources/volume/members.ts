import { appsIn, type FoundApp, type FoundVolume } from '../../core/apps.ts'
import { databaseOf, dataMountOf } from '../../core/database-images.ts'
import { formatEngineAddress } from '../../core/engine-address.ts'
import type { Member } from '../../core/members.ts'
import { type ContainerSeen, type DockerSeen, isUp } from '../../core/surroundings.ts'
import { openEngine } from '../../docker/engine.ts'
import { seeDocker } from '../../docker/look.ts'
import { SourceFailed } from '../../lib/errors.ts'
import { appNameOf, engineNameOf } from './find.ts'
import type { VolumeSettings } from './settings.ts'

/**
 * What a source stands for: each volume of an app, a dump where a database server has its data in the
 * volume, else itself. Throws when the engine cannot be asked, or has nothing of what is meant.
 */
export async function membersOf(
  settings: VolumeSettings,
  signal: AbortSignal,
): Promise<readonly Member[] | null> {
  const { subject, strategy, address } = settings
  if (strategy === 'tar' && subject.volume !== null) return null
  const engine = await openEngine(address)
  const seen = await seeDocker(engine, signal)
  if (subject.volume === null) return volumesOf(settings, seen)
  const name = engineNameOf(settings, seen)
  if (name === null || !seen.volumes.some((one) => one.name === name)) {
    throw new SourceFailed(`volume ${name ?? subject.volume} does not exist on ${engine.label}`, {
      hint: 'deploy what uses it, or correct its name: docker volume ls',
    })
  }
  const server = serverIn(seen, name, strategy === 'dump')
  if (server !== null) return [dumpOf(server, formatEngineAddress(address))]
  if (strategy !== 'dump') return null
  throw new SourceFailed(`no container with volume ${name} runs a database that can be dumped`, {
    hint: 'start it, or set strategy: tar on the source',
  })
}

/** All that the app keeps; none that its label says is nothing to keep. */
function volumesOf(settings: VolumeSettings, seen: DockerSeen): readonly Member[] {
  const app = appNameOf(settings)
  const apps = appsIn(seen, {
    docker: null,
    apps: [{ organization: null, name: app, volumes: null }],
  })
  const found: FoundApp | undefined = apps.find(({ name }) => name === app)
  const isKept = ({ kind, persistent }: FoundVolume) => kind === 'volume' && persistent.is !== 'no'
  const members = found?.volumes.filter(isKept).map(({ name }): Member => {
    return { name, kind: 'volume', options: { volume: name } }
  })
  if (members && members.length > 0) return members
  throw new SourceFailed(`app ${app} has no volume on ${seen.host}: never deployed?`, {
    hint: 'deploy it, or correct its name: holdfast plan lists what is there',
  })
}

/** The server that has its data in the volume: one that runs before one that does not. */
export function serverIn(seen: DockerSeen, volume: string, isAsked: boolean): ContainerSeen | null {
  const servers = seen.containers.filter((one) => {
    const has = one.mounts.some((mount) => mount.volume === volume)
    if (isAsked) return has && databaseOf(one) !== null
    return dataMountOf(one)?.volume === volume
  })
  return servers.find(isUp) ?? servers[0] ?? null
}

function dumpOf(server: ContainerSeen, docker: string): Member {
  const kind = databaseOf(server) ?? 'postgres'
  const all = kind === 'postgres' ? { databases: 'all', globals: true } : {}
  return {
    name: null,
    kind,
    options: { container: server.name, docker, ...all },
  }
}
