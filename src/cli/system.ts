import { loadDataDir } from '../config/load.ts'
import { Refused } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import { parseDuration } from '../lib/time.ts'
import { askRunning } from './ask-daemon.ts'
import type { Context, GlobalFlags } from './context.ts'

interface DrainFlags {
  readonly timeout?: string
}

/** `system drain`: the daemon takes no more slots; ends once nothing runs there. The process stays. */
export async function systemDrain(
  _words: readonly string[],
  flags: DrainFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  const { timeout } = flags
  if (timeout !== undefined && parseDuration(timeout) === null) {
    throw new Refused(`"${timeout}" is no duration`, { hint: 'write it as: --timeout 10m' })
  }
  const question = { path: '/api/v1/system/drain', body: timeout === undefined ? {} : { timeout } }
  const { document } = await askRunning(question, dataDirOf(flags, context), context)
  const handedOver = document.handedOver === true
  const words = handedOver
    ? 'drained: what still ran was cut short, and is tried again by whoever is there'
    : 'drained: nothing runs'
  context.out(flags.json ? JSON.stringify({ drained: true, handedOver }) : words)
  return 0
}

/** `system undrain`: the daemon takes slots again. */
export async function systemUndrain(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const question = { path: '/api/v1/system/undrain', body: {} }
  await askRunning(question, dataDirOf(flags, context), context)
  context.out(flags.json ? JSON.stringify({ drained: false }) : 'takes slots again')
  return 0
}

/** A daemon that lives answers at once. In milliseconds. */
const ALIVE_WITHIN = 5_000

/** `system health`: whether the daemon lives and its loop turns, as `/healthz` tells; for who restarts it. */
export async function systemHealth(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const interrupted = withTimeLimit(context.interrupted, ALIVE_WITHIN, 'the look at the daemon')
  const question = { path: '/healthz', body: null }
  await askRunning(question, dataDirOf(flags, context), { ...context, interrupted })
  context.out(flags.json ? JSON.stringify({ status: 'ok' }) : 'alive')
  return 0
}

/** Of the config, which is read only where it is needed; one that a daemon refused tells it, too. */
export function dataDirOf(flags: GlobalFlags, context: Context): () => Promise<string> {
  const { env, cwd } = context
  return async () => await loadDataDir({ path: flags.config ?? null, env, cwd })
}
