import type { Engine } from '../../docker/engine.ts'
import { findVolume, type Volume } from '../../docker/volumes.ts'
import { RestoreFailed, SourceFailed } from '../../lib/errors.ts'
import type { RestoreTask } from '../source.ts'
import type { VolumeSettings } from './settings.ts'

/** The engine's volume that a source means. Throws `SourceFailed` for one that is not there. */
export async function requireVolume(
  engine: Engine,
  settings: VolumeSettings,
  signal: AbortSignal,
): Promise<Volume> {
  const name = await nameOf(engine, settings, signal)
  const found = await findVolume(engine, name, signal)
  if (found) return found
  throw new SourceFailed(`volume ${name} does not exist on ${engine.label}: never deployed?`, {
    at: name,
    hint: 'deploy what uses it, or correct its name: docker volume ls',
  })
}

/** What the engine calls the volume that a restore goes to, whether or not it is there. */
export async function nameToRestore(
  engine: Engine,
  settings: VolumeSettings,
  { to }: Pick<RestoreTask, 'to'>,
  signal: AbortSignal,
): Promise<string> {
  if (to === null) return await nameOf(engine, settings, signal)
  const [, name] = /^volume:([A-Za-z0-9][A-Za-z0-9_.-]+)$/.exec(to) ?? []
  if (name !== undefined) return name
  throw new RestoreFailed(`a volume cannot be restored to ${to}`, {
    hint: 'name a path with --to, or a volume with --to-volume: letters, digits, _ . -',
  })
}

async function nameOf(
  _engine: Engine,
  { subject }: VolumeSettings,
  _signal: AbortSignal,
): Promise<string> {
  return subject.volume ?? ''
}
