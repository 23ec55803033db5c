import { chmod, chown, lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Engine, openEngine } from '../../docker/engine.ts'
import { createVolume, findVolume, removeVolume, type Volume } from '../../docker/volumes.ts'
import { RestoreFailed } from '../../lib/errors.ts'
import type { RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { listOf } from '../tree/carry.ts'
import { isEmpty } from '../tree/places.ts'
import { stageDirectory, sweepStaged } from '../tree/staging.ts'
import { type Access, accessTo } from './access.ts'
import { aloneWith } from './alone.ts'
import { nameToRestore } from './find.ts'
import { type Place, treeOf } from './place.ts'
import type { Shared } from './realm.ts'
import { withPeace } from './restore-peace.ts'
import type { VolumeSettings } from './settings.ts'
import { isEmptyInside, stageInside, sweepInside } from './stage-inside.ts'
import { inUse } from './users.ts'

/** A source, and what its staging and its realm have in common. */
export interface Restorable {
  readonly settings: VolumeSettings
  readonly shared: Shared
}

/** Opens a place inside the volume, which is made when it is missing, for the archive's content. */
export async function stageVolume(
  { settings, shared }: Restorable,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  if (task.to?.startsWith('/')) {
    return await stageDirectory(treeOf(settings, task.to), task, context, signal)
  }
  const engine = await openEngine(settings.address)
  const name = await nameToRestore(engine, settings, task, signal)
  // Before it is looked at: another restore may be about to make it, or to remove it again.
  const hold = await aloneWith({ volume: name }, engine, context, signal)
  const found = await findVolume(engine, name, signal)
  const volume = found ?? (await make(engine, name, task, signal))
  const place: Place = { engine, volume, settings }
  const letGo = async () => {
    if (found === null) await removeEmpty(place)
  }
  try {
    await refuseInUse(place, task, signal)
    const access = await accessTo(place, 'write', signal)
    const empty = await isEmptyAt(place, access, signal)
    if (!empty && task.to !== null) throw taken(name)
    const inner = await stageAt({ place, access, empty, shared }, task, context, signal)
    const staging = withPeace(inner, { place, context }, signal)
    return {
      ...staging,
      async finish(exit, during) {
        const staged = await staging.finish(exit, during)
        await hold?.confirm()
        return staged
      },
      async discard() {
        await staging.discard()
        await letGo()
      },
    }
  } catch (error) {
    await letGo()
    throw error
  }
}

/** Labels come from the archive: by them compose knows its own volumes again. */
async function make(
  engine: Engine,
  name: string,
  { facts }: RestoreTask,
  signal: AbortSignal,
): Promise<Volume> {
  const labels = listOf(facts, 'labels').map((label): [string, string] => {
    const equals = label.indexOf('=')
    return [label.slice(0, equals), label.slice(equals + 1)]
  })
  await createVolume(engine, { name, labels: Object.fromEntries(labels) }, signal)
  const made = await findVolume(engine, name, signal)
  if (made) return made
  throw new RestoreFailed(`volume ${name} was made on ${engine.label}, and is gone`)
}

async function refuseInUse(place: Place, task: RestoreTask, signal: AbortSignal): Promise<void> {
  const { obstacle } = await inUse(place, task, signal)
  if (obstacle === null) return
  const { name } = place.volume
  throw new RestoreFailed(`cannot restore volume ${name}: it is ${obstacle}`, {
    at: name,
    hint: 'stop them (docker stop …), set stop: true on the source, or take --force',
  })
}

function taken(name: string): RestoreFailed {
  return new RestoreFailed(`cannot restore to volume ${name}: it exists and is not empty`, {
    at: name,
    hint: 'name one that does not exist yet, or is empty',
  })
}

async function isEmptyAt(place: Place, access: Access, signal: AbortSignal): Promise<boolean> {
  if (access.kind === 'path') return await isEmpty(access.path)
  return access.kind === 'helper' && (await isEmptyInside(place, access.box, signal))
}

interface Opening {
  readonly place: Place
  readonly access: Access
  readonly empty: boolean
  readonly shared: Shared
}

async function stageAt(
  { place, access, empty, shared }: Opening,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  if (access.kind === 'helper') {
    return await stageInside({ place, box: access.box, empty, shared }, task, context, signal)
  }
  if (access.kind === 'engine') throw new RestoreFailed('the engine cannot restore by itself')
  const tree = treeOf(place.settings, access.path)
  const staging = await stageDirectory(tree, { ...task, to: null }, context, signal)
  return {
    ...staging,
    async finish(exit, during) {
      const staged = await staging.finish(exit, during)
      if (empty && task.only === null) await takeLook(staged, access.path)
      return staged
    },
  }
}

/** A volume without anything in it gets the owner and mode that its folder had: a server may insist. */
async function takeLook({ leftovers }: Staged, path: string): Promise<void> {
  const [holder] = leftovers
  if (holder === undefined) return
  const { uid, gid, mode } = await lstat(join(holder, 'tree'))
  await chown(path, uid, gid)
  await chmod(path, mode & 0o7777)
}

/** Removes the volume again that was made for a restore that came to nothing. */
async function removeEmpty(place: Place): Promise<void> {
  const { signal } = new AbortController()
  const { engine, volume } = place
  const access = await accessTo(place, 'write', signal).catch(() => null)
  if (access === null || !(await isEmptyAt(place, access, signal).catch(() => false))) return
  await removeVolume(engine, volume.name, signal).catch(() => {})
}

/** Removes what a restore whose process died had staged. */
export async function sweepVolume(
  settings: VolumeSettings,
  { to, token }: { readonly to: string | null; readonly token: string },
): Promise<void> {
  if (to?.startsWith('/')) return await sweepStaged(treeOf(settings, to), { to, token })
  const { signal } = new AbortController()
  const engine = await openEngine(settings.address)
  const volume = await findVolume(
    engine,
    await nameToRestore(engine, settings, { to }, signal),
    signal,
  )
  if (volume === null) return
  const place: Place = { engine, volume, settings }
  const access = await accessTo(place, 'write', signal)
  if (access.kind === 'path') {
    await sweepStaged(treeOf(settings, access.path), { to: null, token })
  } else if (access.kind === 'helper') await sweepInside(place, access.box, token)
}
