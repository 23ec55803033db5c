import { recoverAll } from '../../src/cli/opened.ts'
import { commandLine } from '../support/command-line.ts'
import type { Dice } from '../support/dice.ts'
import { type Ended, run } from '../support/processes.ts'
import type { Workspace } from '../support/workspace.ts'
import { inWorld } from '../support/world.ts'
import { LawBroken } from './laws.ts'
import type { Memory } from './memory.ts'

/** What a strike needs to know. */
export interface Scene {
  readonly workspace: Workspace
  readonly memory: Memory
  readonly dice: Dice
  /** Takes a line of what is done, for whoever has to find out why it went wrong. */
  readonly tell: (line: string) => void
}

/** Starts the process that is struck. */
export type Go = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Ended>

/** One command in so many is a process of its own. */
const OWN_PROCESS = 6
/** Milliseconds that no command takes, on however busy a machine. */
const LIMIT = 90_000

/**
 * Carries out a command that nothing strikes: in a process of its own now and then, mostly here, for to
 * start one is most of what it costs.
 */
export async function command({ workspace, dice }: Scene, args: readonly string[]): Promise<Ended> {
  const cwd = workspace.root
  if (dice.oneIn(OWN_PROCESS)) return await run(args, { cwd })
  const interrupted = AbortSignal.timeout(LIMIT)
  const { code, out, err } = await commandLine(args, { cwd, interrupted })
  return { code, signal: null, stdout: out, stderr: err, hit: false }
}

/** Runs what must succeed for the strike to make sense. */
export async function well(scene: Scene, args: readonly string[]): Promise<Ended> {
  const ended = await command(scene, args)
  scene.tell(`  ${args.join(' ')} → ${ended.signal ?? ended.code} ${ended.stderr.trim()}`)
  if (ended.code === 0) return ended
  throw new LawBroken(`${args.join(' ')} ended with ${ended.signal ?? ended.code}: ${ended.stderr}`)
}

/** Starts a process that finishes what a crash cut short, and then finds nothing to do. */
export const FINISH = ['backup', 'verify', '--name', 'none']

/**
 * Has what a crash cut short finished: by a process of its own now and then, or by two that start at the
 * same moment; mostly here, for to start one is most of what it costs.
 */
export async function settle({ workspace, dice, tell }: Scene): Promise<void> {
  const processes = dice.pick([0, 0, 0, 0, 0, 0, 0, 0, 1, 2] as const)
  if (processes === 0) {
    await inWorld(workspace, (world) => recoverAll(world, new AbortController().signal))
    return tell('  put in order')
  }
  const all = Array.from({ length: processes }, () => run(FINISH, { cwd: workspace.root }))
  for (const { code, signal, stderr } of await Promise.all(all)) {
    tell(`  ${FINISH.join(' ')} → ${signal ?? code} ${stderr.trim()}`)
    if (stderr.includes('no run is called none')) continue
    throw new LawBroken(`what was cut short is not finished: ${signal ?? code} ${stderr}`)
  }
}
