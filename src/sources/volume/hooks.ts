import type { Engine } from '../../docker/engine.ts'
import { runExec } from '../../docker/exec.ts'
import { messageOf, SourceFailed } from '../../lib/errors.ts'
import { mustSucceed, run } from '../../platform/program.ts'
import type { Place } from './place.ts'
import type { Hooks } from './settings.ts'
import { usersUp } from './users.ts'

/** What is to be run once a volume was read: data, so that it outlives us. */
export interface AfterHooks extends Pick<Hooks, 'after' | 'execAfter' | 'container' | 'user'> {
  /** Its name. */
  readonly volume: string
  /** Milliseconds for each. */
  readonly timeout: number
}

/** Null where there are none. */
export function afterHooksOf({ settings, volume }: Place): AfterHooks | null {
  const { after, execAfter, container, user, timeout } = settings.hooks
  if (after.length === 0 && execAfter.length === 0) return null
  return { volume: volume.name, after, execAfter, container, user, timeout }
}

/** Runs the hooks from before: on the host, then in the container. Throws `SourceFailed` at the first that fails. */
export async function runBefore(
  { engine, settings, volume }: Place,
  signal: AbortSignal,
): Promise<void> {
  const { before, execBefore, container, user, timeout } = settings.hooks
  const about = { volume: volume.name, container, user, timeout }
  try {
    await runHere({ ...about, argv: before }, signal)
    await runThere(engine, { ...about, argv: execBefore }, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw new SourceFailed(faultOf('before', volume.name, error), {
      cause: error,
      at: volume.name,
    })
  }
}

/**
 * Runs all hooks from after, the other way round; resolves to what went wrong, in words. Throws the
 * signal's reason.
 */
export async function runAfter(
  engine: Engine,
  { after, execAfter, ...about }: AfterHooks,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const faults: string[] = []
  const told = (error: unknown) => {
    signal.throwIfAborted()
    faults.push(faultOf('after', about.volume, error))
  }
  await runThere(engine, { ...about, argv: execAfter }, signal).catch(told)
  await runHere({ ...about, argv: after }, signal).catch(told)
  return faults
}

function faultOf(when: 'before' | 'after', volume: string, error: unknown): string {
  return `the ${when} hook of volume ${volume} failed: ${messageOf(error)}`
}

interface Hook extends Pick<AfterHooks, 'volume' | 'container' | 'user' | 'timeout'> {
  /** Empty when there is none. */
  readonly argv: readonly string[]
}

async function runHere({ argv, volume, timeout }: Hook, signal: AbortSignal): Promise<void> {
  const [command, ...args] = argv
  if (command === undefined) return
  const env = { HOLDFAST_VOLUME: volume }
  const { exit } = await run({ command, args, env }, { timeLimit: timeout, signal })
  mustSucceed(exit)
}

async function runThere(engine: Engine, hook: Hook, signal: AbortSignal): Promise<void> {
  const { argv, volume, user, timeout } = hook
  if (argv.length === 0) return
  const container =
    hook.container ?? (await usersUp({ engine, volume: { name: volume } }, signal))[0]?.name
  if (container === undefined) throw new Error('no container that runs has the volume')
  const env = { HOLDFAST_VOLUME: volume }
  const program = { container, argv, env, ...(user === null ? {} : { user }) }
  const { exit } = await runExec(engine, program, { timeLimit: timeout, signal })
  mustSucceed(exit)
}
