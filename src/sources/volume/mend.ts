import { parseEngineAddress } from '../../core/engine-address.ts'
import { type Engine, lookAtEngine, openEngine } from '../../docker/engine.ts'
import type { MendContext } from '../source.ts'
import { aloneWith } from './alone.ts'
import { type Owed, parseOwed } from './debts.ts'
import { goOn, wordsOfGone } from './go-on.ts'
import { runAfter } from './hooks.ts'

/**
 * Lets go on what stands still since a death of ours, or because the engine was away. What goes on is
 * owed no longer: whoever stops it again has a reason. Throws when not all do.
 */
export async function wakeVolume(
  note: string,
  context: MendContext,
  signal: AbortSignal,
): Promise<string | null> {
  const owed = parseOwed(note)
  if (owed.halted.length === 0) return null
  const engine = await engineOf(owed)
  // Nor amid a restore of the volume that has begun since.
  const volume = owed.after?.volume
  await using _volume =
    volume === undefined ? null : await aloneWith({ volume }, engine, context, signal)
  // It would run again while somebody else reads what it must not touch meanwhile.
  await using _hold = await aloneWith('halts', engine, context, signal)
  const { up, gone, left, failed } = await goOn(engine, owed.halted)
  const isPaid = left.length === 0 && !owed.after
  await context.keep(isPaid ? null : JSON.stringify({ ...owed, halted: left }))
  if (failed.length > 0) throw new Error(failed.join('; '))
  const whose = 'which a backup or a restore had left standing still'
  const again =
    up.length === 0 ? [] : [`let go on ${up.map(({ name }) => name).join(', ')}, ${whose}`]
  return [...again, ...wordsOfGone(gone)].join('; ')
}

/**
 * Runs the hooks from after that a death of ours left owed, once nobody stands still. One that fails is
 * told, as after any backup, and not run again; one that is cut short by an abort is.
 */
export async function mendVolume(
  note: string,
  context: MendContext,
  signal: AbortSignal,
): Promise<string | null> {
  const owed = parseOwed(note)
  const { after } = owed
  if (!after || owed.halted.length > 0) return null
  const engine = await engineOf(owed)
  // Not while somebody else reads the volume, for whom they may have been run before.
  await using _hold = await aloneWith({ volume: after.volume }, engine, context, signal)
  // An engine that is away for the moment is no failure of the hook.
  if (after.execAfter.length > 0) await lookAtEngine(engine, signal)
  const faults = await runAfter(engine, after, signal)
  await context.keep(null)
  const ran = `ran the after hooks of volume ${after.volume}, which a backup had left owed`
  return [ran, ...faults].join('; ')
}

async function engineOf({ docker }: Owed): Promise<Engine> {
  const address = parseEngineAddress(docker)
  if (address.kind === 'bad') throw new Error(`no address of an engine: ${docker}`)
  return await openEngine(address)
}
