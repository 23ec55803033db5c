import { runDaemon } from '../daemon/daemon.ts'
import { openFace } from '../http/face.ts'
import type { Context, GlobalFlags } from './context.ts'
import { createLog } from './log.ts'
import { listenToSignals } from './signals.ts'

/** Runs the daemon until it is told to stop. 0 after a clean drain, 130 or 143 when work was cut short. */
export async function daemon(
  _args: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const { env, cwd, now, version, plugins } = context
  const report = createLog(context, flags)
  const signals = listenToSignals()
  try {
    const ambient = { env, cwd, now, version, plugins, report, progress: () => {} }
    const how = await runDaemon(flags.config ?? null, ambient, signals.orders, openFace)
    return how === 'drained' ? 0 : signals.exitCode()
  } finally {
    signals.close()
  }
}
