import { SourceFailed } from '../../lib/errors.ts'
import { reachByPath } from './by-path.ts'
import type { Place } from './place.ts'
import { anyImage, findToolbox, type Toolbox } from './toolbox.ts'

/** How a volume's bytes are had; `why` says why not by a faster way, for people. */
export type Access =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'helper'; readonly box: Toolbox; readonly why: string }
  /** The engine's own archive of a container that never runs. */
  | { readonly kind: 'engine'; readonly image: string; readonly why: string }

/**
 * The fastest way that is proven to be safe. Throws `SourceFailed` when there is none, or the one
 * that is asked for cannot be had.
 */
export async function accessTo(
  place: Place,
  intent: 'read' | 'write',
  signal: AbortSignal,
): Promise<Access> {
  const { via } = place.settings
  const { engine, volume } = place
  const why: string[] = []
  if (via === 'auto' || via === 'path') {
    const reach = await reachByPath(engine, volume, intent, signal)
    if ('path' in reach) return { kind: 'path', path: reach.path }
    why.push(`not by its path, because ${reach.why}`)
  }
  // The engine takes nothing back that it has written: what is replaced needs a helper.
  if (via === 'auto' || via === 'helper' || (via === 'engine' && intent === 'write')) {
    const box = await findToolbox(place, signal)
    if ('image' in box) return { kind: 'helper', box, why: why.join('; ') }
    why.push(`not by a container of ours, because ${box.why}`)
  }
  if ((via === 'auto' || via === 'engine') && intent === 'read') {
    const image = await anyImage(place, signal)
    if (image !== null) return { kind: 'engine', image, why: why.join('; ') }
    why.push('not by an archive of the engine, because it has no image at all')
  }
  throw new SourceFailed(`cannot ${intent} volume ${volume.name}: ${why.join('; ')}`, {
    at: volume.name,
    hint: 'mount the volumes of the engine where it has them, or: docker pull debian:12-slim',
  })
}
