import { parseEngineAddress } from '../../core/engine-address.ts'
import { type Engine, lookAtEngine, openEngine } from '../../docker/engine.ts'
import type { SourceContext } from '../source.ts'
import { aloneWith } from './alone.ts'
import { type Owed, parseOwed } from './debts.ts'
import { goOn, wordsOfGone } from './go-on.ts'
import { runAfter } from './hooks.ts'

/**
 * Pays what is still owed after a death of ours, or because the engine was away: lets go on what stands
 * still, then runs the hooks from after.
 * Throws when that cannot be done yet; a hook that fails is told, as after any backup, and not run
 * again. One that is cut short by an abort is.
 */
export async function mendVolume(
  note: string,
  context: Pick<SourceContext, 'alone'>,
  signal: AbortSignal,
): Promise<string> {
  const owed = parseOwed(note)
  const address = parseEngineAddress(owed.docker)
  if (address.kind === 'bad') throw new Error(`no address of an engine: ${owed.docker}`)
  const engine = await openEngine(address)
  // Neither while somebody else reads the volume, for whom the hooks may have been run before.
  const volume = owed.after?.volume
  await using _hold =
    volume === undefined ? null : await aloneWith({ volume }, engine, context, signal)
  const said = [await letGoOn(owed, engine, context, signal), await runHooks(owed, engine, signal)]
  return said.filter((words) => words !== null).join('; ')
}

async function letGoOn(
  { halted }: Owed,
  engine: Engine,
  context: Pick<SourceContext, 'alone'>,
  signal: AbortSignal,
): Promise<string | null> {
  if (halted.length === 0) return null
  // It would run again while somebody else reads what it must not touch meanwhile.
  await using _hold = await aloneWith('halts', engine, context, signal)
  const { up, gone, failed } = await goOn(engine, halted)
  if (failed.length > 0) throw new Error(failed.join('; '))
  const whose = 'which a backup or a restore had left standing still'
  const again =
    up.length === 0 ? [] : [`let go on ${up.map(({ name }) => name).join(', ')}, ${whose}`]
  return [...again, ...wordsOfGone(gone)].join('; ')
}

async function runHooks(
  { after }: Owed,
  engine: Engine,
  signal: AbortSignal,
): Promise<string | null> {
  if (!after) return null
  // An engine that is away for the moment is no failure of the hook.
  if (after.execAfter.length > 0) await lookAtEngine(engine, signal)
  const faults = await runAfter(engine, after, signal)
  const ran = `ran the after hooks of volume ${after.volume}, which a backup had left owed`
  return [ran, ...faults].join('; ')
}
