import { type Engine, lookAtEngine } from '../../docker/engine.ts'
import type { Hold, SourceContext } from '../source.ts'

/**
 * Several jobs may be about one volume, and several volumes have one container: who reads or replaces
 * a volume, and who brings users to a stand, does it alone. The engine's own id, because the socket
 * of every host has the same address.
 */
export async function aloneWith(
  what: { readonly volume: string } | 'halts',
  engine: Engine,
  { alone }: Pick<SourceContext, 'alone'>,
  signal: AbortSignal,
): Promise<Hold | null> {
  if (!alone) return null
  const { id } = await lookAtEngine(engine, signal)
  const name = `docker:${id || engine.label}`
  return await alone(what === 'halts' ? `${name}:halt` : `${name}:volume:${what.volume}`, signal)
}
