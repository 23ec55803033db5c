import { parseEngineAddress } from '../../core/engine-address.ts'
import { lookAtContainer, startContainer, unpauseContainer } from '../../docker/containers.ts'
import { type Engine, openEngine } from '../../docker/engine.ts'
import { isMissing } from '../../docker/trouble.ts'
import { messageOf } from '../../lib/errors.ts'

/** A container that was made to stand still. */
export interface Halted {
  readonly id: string
  readonly name: string
}

/** The words that outlive us: whom we made to stand still, how, and on which engine. */
export function noteOf(docker: string, how: 'stop' | 'pause', halted: readonly Halted[]): string {
  return JSON.stringify({ docker, how, halted })
}

/** Lets go on what a death of ours left standing still. Throws when that cannot be done yet. */
export async function mendHalt(note: string): Promise<string> {
  const { docker, how, halted } = parseNote(note)
  const address = parseEngineAddress(docker)
  if (address.kind === 'bad') throw new Error(`no address of an engine: ${docker}`)
  const failed = await goOn(await openEngine(address), how, halted)
  if (failed.length > 0) throw new Error(failed.join('; '))
  const did = how === 'stop' ? 'started' : 'let go on'
  return `${did} ${halted.map(({ name }) => name).join(', ')}, which a backup that died had ${how === 'stop' ? 'stopped' : 'paused'}`
}

function parseNote(note: string): {
  readonly docker: string
  readonly how: 'stop' | 'pause'
  readonly halted: readonly Halted[]
} {
  return JSON.parse(note)
}

/** Lets containers go on, the oldest first; resolves to what went wrong. A container that is gone needs nothing. */
export async function goOn(
  engine: Engine,
  how: 'stop' | 'pause',
  halted: readonly Halted[],
): Promise<readonly string[]> {
  const { signal } = new AbortController()
  const failed: string[] = []
  for (const { id, name } of halted.toReversed()) {
    try {
      if (how === 'stop') await startContainer(engine, id, signal)
      else if ((await lookAtContainer(engine, id, signal)).state === 'paused') {
        await unpauseContainer(engine, id, signal)
      }
    } catch (error) {
      if (!isMissing(error)) failed.push(`${name}: ${messageOf(error)}`)
    }
  }
  return failed
}
