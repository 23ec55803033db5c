import type { DockerSettings } from '../core/docker-settings.ts'
import { parseEngineAddress } from '../core/engine-address.ts'
import type { Instant } from '../core/model.ts'
import type { DockerSeen, Surroundings } from '../core/surroundings.ts'
import { openEngine } from '../docker/engine.ts'
import { seeDocker } from '../docker/look.ts'
import { messageOf, Refused } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'

/** How long a look may take. */
export interface LookBounds {
  readonly signal: AbortSignal
  /** For each server and engine, in milliseconds. */
  readonly limit?: number
}

/** A server or an engine that does not tell what it has within this is left at what it had, in milliseconds. */
export const LOOK_LIMIT = 20_000

/** Who looks, and when. */
export interface Looker {
  readonly instance: string
  readonly labels: readonly string[]
  readonly now: Instant
}

/** What one instance sees beside its targets. An engine that cannot be looked at is an error in it. */
export async function lookAtSurroundings(
  docker: DockerSettings | null,
  { instance, labels, now }: Looker,
  { signal, limit = LOOK_LIMIT }: LookBounds,
): Promise<Surroundings> {
  const about = { instance, labels, at: now }
  if (docker === null || docker.discover === false) return { ...about, docker: null }
  try {
    const limited = withTimeLimit(signal, limit, `the look at ${docker.host}`)
    return { ...about, docker: await lookAtDocker(docker.host, limited) }
  } catch (error) {
    signal.throwIfAborted()
    return { ...about, docker: { error: messageOf(error) } }
  }
}

async function lookAtDocker(host: string, signal: AbortSignal): Promise<DockerSeen> {
  const address = parseEngineAddress(host)
  if (address.kind === 'bad')
    throw new Refused(`${host} is no address of an engine: ${address.why}`)
  return await seeDocker(await openEngine(address), signal)
}
