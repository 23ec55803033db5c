import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { sayFarewell } from '../act/announce.ts'
import { bootRestore, HIQLITES_OWN, RESTORE_VARIABLES, requestedRestore } from '../daemon/boot.ts'
import { expandKnown } from '../daemon/expansion.ts'
import { openSession } from '../daemon/session.ts'
import { Refused } from '../lib/errors.ts'
import type { Context, GlobalFlags } from './context.ts'
import { createLog } from './log.ts'
import { load, recoverAll } from './opened.ts'

const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const

/**
 * `restore --boot -- <command…>`: does the restore that the environment asks for, takes the variable
 * out, and becomes the command: its signals, its exit code. Without a request it only becomes it.
 * Where the command has to finish the restore, as node 1 of a cluster of Hiqlite, the variable tells
 * it what from.
 */
export async function bootAndBecome(
  command: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const [program, ...args] = command
  if (program === undefined) {
    throw new Refused('say which command to become', {
      hint: 'holdfast restore --boot -- my-server --port 80',
    })
  }
  const request = requestedRestore(context.env)
  let handOver: string | null = null
  if (request) {
    const desired = await load(flags, context)
    const { env, cwd, now, version, plugins } = context
    const report = createLog(context, flags)
    await using session = await openSession(desired, {
      env,
      cwd,
      now,
      version,
      plugins,
      report,
      progress: () => {},
    })
    const expanded = await expandKnown(desired, session.world(desired))
    const world = session.world(expanded.desired, expanded.seen)
    await recoverAll(world, context.interrupted)
    handOver = await bootRestore(request, world, context.interrupted)
    await sayFarewell(world)
  }
  return await become([program, ...args], handOver, context)
}

/** Node cannot replace its own process, so the command runs as a child that gets every signal. */
async function become(
  [program, ...args]: readonly [string, ...string[]],
  handOver: string | null,
  context: Context,
): Promise<number> {
  const kept = Object.entries(context.env).filter(
    ([name]) => !RESTORE_VARIABLES.some((one) => one === name),
  )
  const handed = handOver === null ? [] : [[HIQLITES_OWN, handOver] as const]
  const env = Object.fromEntries([...kept, ...handed])
  const child = spawn(program, args, { stdio: 'inherit', env, cwd: context.cwd })
  const pass = (signal: NodeJS.Signals) => child.kill(signal)
  for (const signal of PASSED_ON) process.on(signal, pass)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (cause) => reject(new Refused(`cannot run ${program}`, { cause })))
      child.once('exit', (code, signal) => resolve(code ?? codeOf(signal)))
    })
  } finally {
    for (const signal of PASSED_ON) process.off(signal, pass)
  }
}

/** Exit code of a process that a signal ended, by the shells' convention. */
function codeOf(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : constants.signals[signal])
}
