import { runExec } from '../../docker/exec.ts'
import { messageOf, SourceFailed } from '../../lib/errors.ts'
import { mustSucceed, run } from '../../platform/program.ts'
import type { Place } from './place.ts'
import { usersUp } from './users.ts'

/**
 * Runs the hooks of one side: on the host, then in the container; afterwards the other way round.
 * Those from before throw `SourceFailed` at the first that fails; those from after all run, and what
 * went wrong is told in words.
 */
export async function runHooks(
  place: Place,
  when: 'before' | 'after',
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly string[]> {
  const { before, after, execBefore, execAfter } = place.settings.hooks
  const onHost = () => runHere(place, when === 'before' ? before : after, signal)
  const inside = () => runThere(place, when === 'before' ? execBefore : execAfter, signal)
  const faults: string[] = []
  for (const hook of when === 'before' ? [onHost, inside] : [inside, onHost]) {
    try {
      await hook()
    } catch (error) {
      signal.throwIfAborted()
      const words = `the ${when} hook of volume ${place.volume.name} failed: ${messageOf(error)}`
      if (when === 'before') throw new SourceFailed(words, { cause: error, at: place.volume.name })
      faults.push(words)
    }
  }
  return faults
}

async function runHere(
  { settings, volume }: Place,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const [command, ...args] = argv
  if (command === undefined) return
  const env = { HOLDFAST_VOLUME: volume.name }
  const { exit } = await run({ command, args, env }, { timeLimit: settings.hooks.timeout, signal })
  mustSucceed(exit)
}

async function runThere(place: Place, argv: readonly string[], signal: AbortSignal): Promise<void> {
  if (argv.length === 0) return
  const { hooks } = place.settings
  const container = hooks.container ?? (await usersUp(place, signal))[0]?.name
  if (container === undefined) throw new Error('no container that runs has the volume')
  const program = {
    container,
    argv,
    env: { HOLDFAST_VOLUME: place.volume.name },
    ...(hooks.user === null ? {} : { user: hooks.user }),
  }
  const { exit } = await runExec(place.engine, program, { timeLimit: hooks.timeout, signal })
  mustSucceed(exit)
}
