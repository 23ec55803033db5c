import { parseEngineAddress } from '../../src/core/engine-address.ts'
import { type Engine, openEngine } from '../../src/docker/engine.ts'

/** The engine of an address, as a config file would have it. */
export async function engineAt(host: string): Promise<Engine> {
  const address = parseEngineAddress(host)
  if (address.kind === 'bad') throw new Error(address.why)
  return await openEngine(address)
}
