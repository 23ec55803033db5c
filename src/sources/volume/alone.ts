import { lookAtEngine } from '../../docker/engine.ts'
import type { Hold, SourceContext } from '../source.ts'
import type { Place } from './place.ts'

/**
 * Several jobs may be about one volume, and several volumes have one container: who reads or replaces
 * a volume, and who brings users to a stand, does it alone. The engine's own id, because the socket
 * of every host has the same address.
 */
export async function aloneWith(
  what: 'volume' | 'halt',
  { engine, volume }: Pick<Place, 'engine' | 'volume'>,
  { alone }: SourceContext,
  signal: AbortSignal,
): Promise<Hold | null> {
  if (!alone) return null
  const { id } = await lookAtEngine(engine, signal)
  const name = `docker:${id || engine.label}:${what}`
  return await alone(what === 'volume' ? `${name}:${volume.name}` : name, signal)
}
