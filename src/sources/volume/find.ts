import { resolveVolume } from '../../core/resolve-volume.ts'
import type { DockerSeen } from '../../core/surroundings.ts'
import type { Engine } from '../../docker/engine.ts'
import { seeDocker } from '../../docker/look.ts'
import { findVolume, type Volume } from '../../docker/volumes.ts'
import { RestoreFailed, SourceFailed } from '../../lib/errors.ts'
import type { RestoreTask } from '../source.ts'
import { listOf } from '../tree/carry.ts'
import type { VolumeSettings } from './settings.ts'

/** The engine's volume that a source means. Throws `SourceFailed` for one that is not there. */
export async function requireVolume(
  engine: Engine,
  settings: VolumeSettings,
  signal: AbortSignal,
): Promise<Volume> {
  const name = await nameOf(engine, settings, signal)
  const found = name === null ? null : await findVolume(engine, name, signal)
  if (found) return found
  const { app, volume } = settings.subject
  if (volume === null) {
    throw new SourceFailed(`nobody could tell yet which volumes app ${app} has on ${engine.label}`)
  }
  const whose = app === null ? '' : ` of app ${app}`
  throw new SourceFailed(
    `volume ${volume}${whose} does not exist on ${engine.label}: never deployed?`,
    {
      at: volume,
      hint: 'deploy what uses it, or correct its name: docker volume ls',
    },
  )
}

/** What the engine calls the volume that a restore goes to, whether or not it is there. */
export async function nameToRestore(
  engine: Engine,
  settings: VolumeSettings,
  { to, facts = {} }: Pick<RestoreTask, 'to'> & Partial<Pick<RestoreTask, 'facts'>>,
  signal: AbortSignal,
): Promise<string> {
  if (to === null) {
    const { app, volume, environment } = settings.subject
    const slot = environment === 'production' ? 'blue' : environment
    const name = (await nameOf(engine, settings, signal)) ?? nameAsArchived(settings, facts)
    return name ?? `${app}-${slot}_${volume}`
  }
  const [, name] = /^volume:([A-Za-z0-9][A-Za-z0-9_.-]+)$/.exec(to) ?? []
  if (name !== undefined) return name
  throw new RestoreFailed(`a volume cannot be restored to ${to}`, {
    hint: 'name a path with --to, or a volume with --to-volume: letters, digits, _ . -',
  })
}

/** What compose called the volume, where its project is the app and no slot of it: it looks there again. */
function nameAsArchived({ subject }: VolumeSettings, facts: RestoreTask['facts']): string | null {
  const { app, volume } = subject
  const labels = listOf(facts, 'labels')
  const isOfApp = labels.includes(`com.docker.compose.project=${appNameOf({ subject })}`)
  const isIt = labels.includes(`com.docker.compose.volume=${volume}`)
  if (app === null || !isOfApp || !isIt) return null
  return typeof facts.volume === 'string' ? facts.volume : null
}

/** Null: an app's volume that was never deployed. */
async function nameOf(
  engine: Engine,
  settings: VolumeSettings,
  signal: AbortSignal,
): Promise<string | null> {
  const { app, volume } = settings.subject
  if (app === null) return volume
  return engineNameOf(settings, await seeDocker(engine, signal))
}

/** What the engine calls the volume that a source means, by what is there. */
export function engineNameOf({ subject }: VolumeSettings, seen: DockerSeen): string | null {
  const { app, volume, environment } = subject
  if (app === null || volume === null) return volume
  // The engine's own name of it is as good.
  const found = resolveVolume(appNameOf({ subject }), volume, seen)
  if (found) return found.dockerName
  const exact = `${app}-${environment}_${volume}`
  return seen.volumes.some(({ name }) => name === exact) ? exact : null
}

/** The app as it stands in names of volumes: of an environment beside the usual one it is another. */
export function appNameOf({ subject }: Pick<VolumeSettings, 'subject'>): string {
  const { app, environment } = subject
  return environment === 'production' ? (app ?? '') : `${app}-${environment}`
}
