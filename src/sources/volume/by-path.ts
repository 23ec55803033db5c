import { randomUUID } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Engine } from '../../docker/engine.ts'
import { PROOF_LABEL } from '../../docker/look.ts'
import { createVolume, findVolume, removeVolume, type Volume } from '../../docker/volumes.ts'
import { messageOf } from '../../lib/errors.ts'
import { ownCapabilities } from '../../platform/capabilities.ts'
import { exists } from '../../platform/files.ts'

/** Whether a volume can be reached as a folder of this process, or why not, in words. */
export type Reach = { readonly path: string } | { readonly why: string }

/**
 * Looks for the volume's own folder. That there is one of that name proves nothing: the engine may
 * be on another machine, or see another file system there. So the engine makes an empty volume of a
 * name that nobody can have, and it has to appear beside the one that is meant, and to go again.
 */
export async function reachByPath(
  engine: Engine,
  volume: Volume,
  intent: 'read' | 'write',
  signal: AbortSignal,
): Promise<Reach> {
  if (volume.driver !== 'local') return { why: `its driver is ${volume.driver}` }
  const mounted = ['type', 'device', 'o'].filter((key) => key in volume.options)
  if (mounted.length > 0) return { why: 'it is mounted only where it is used' }
  const lacking = await lackOfRights(intent)
  if (lacking !== null) return { why: lacking }
  const root = dirname(dirname(volume.path))
  const [here, above] = await Promise.all([deviceOf(volume.path), deviceOf(root)])
  if (here === null || above === null) return { why: `${volume.path} is not seen from here` }
  if (here !== above) return { why: `something is mounted at ${volume.path}` }
  const why = await disproof(engine, root, signal)
  return why === null ? { path: volume.path } : { why }
}

/** What it takes to put files of anybody where they were, and nothing off them. */
const WRITING = ['chown', 'dacOverride', 'fowner', 'fsetid', 'setfcap'] as const

async function lackOfRights(intent: 'read' | 'write'): Promise<string | null> {
  const own = await ownCapabilities()
  const mayRead = own.has('dacReadSearch') || own.has('dacOverride')
  const mayWrite = WRITING.every((name) => own.has(name))
  if (intent === 'read' ? mayRead : mayWrite) return null
  return `this process may not ${intent} the files of every user`
}

async function deviceOf(path: string): Promise<number | null> {
  const found = await lstat(path).catch(() => null)
  return found?.isDirectory() ? found.dev : null
}

/** Null when volumes of the engine come and go in `root`, else what speaks against it. */
async function disproof(engine: Engine, root: string, signal: AbortSignal): Promise<string | null> {
  const name = `holdfast-proof-${randomUUID()}`
  try {
    await createVolume(engine, { name, labels: { [PROOF_LABEL]: 'yes' } }, signal)
    const path = (await findVolume(engine, name, signal))?.path
    const appears = path === join(root, name, '_data') && (await exists(path))
    await removeVolume(engine, name, signal)
    if (!appears) return `${root} is not where the engine has its volumes`
    return (await exists(join(root, name))) ? `${root} is not the engine's own` : null
  } catch (error) {
    signal.throwIfAborted()
    await removeVolume(engine, name, new AbortController().signal).catch(() => {})
    return messageOf(error)
  }
}
