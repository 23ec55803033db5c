import { dice } from '../support/dice.ts'
import { run } from '../support/processes.ts'
import { makeWorkspace, type Traits } from '../support/workspace.ts'
import { newMemory, placeForeign, remember } from './memory.ts'
import { PHASES, titleOf, type Verb } from './phases.ts'
import { count, playRound, type Round, type Tally } from './round.ts'
import type { Scene } from './scene.ts'
import type { Strike } from './strike.ts'

export interface StormOptions {
  readonly rounds: number
  readonly seed: number
  readonly lanes: number
}

/** What a storm came to: counts by title, named phases in their order first. */
export interface Outcome {
  readonly counts: readonly (readonly [title: string, count: number])[]
  /** Named phases that were not struck as often as they must be. */
  readonly missed: readonly string[]
}

/** Rounds that one workspace lives through. */
const ROUNDS_EACH = 10
/** Each named phase is struck this often in a hundred rounds. */
const HITS = 5
/** And this many blows at random moments. */
const RANDOM = 30
const RANDOM_VERBS: readonly Verb[] = [
  'backup',
  'backup',
  'restore',
  'restore',
  'boot',
  'change',
  'adopt',
  'pin',
]
/** Backups before the first blow: with them there is something to prune and to lose. */
const WARM_UP = 3

/** Plays all rounds, on so many workspaces at once. Throws each law that broke, with how to throw the same dice again. */
export async function storm({ rounds, seed, lanes }: StormOptions): Promise<Outcome> {
  const tally: Tally = new Map()
  const workspaces = deal(rounds, seed)
  const left = workspaces.map((all, number) => ({ all, number }))
  const only = process.env.STORM_WORKSPACE
  const chosen = only === undefined ? left : left.filter(({ number }) => number === Number(only))
  const failures: unknown[] = []
  const lane = async () => {
    for (let next = chosen.shift(); next; next = chosen.shift()) {
      await live(next.all, next.number, seed, tally).catch((error) => {
        console.error(String(error))
        failures.push(error)
      })
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  if (failures.length > 0)
    throw new Error(`${failures.length} workspaces broke a law: ${failures.map(lineOf).join('\n')}`)
  const titles = PHASES.map(titleOf)
  const least = Math.floor((HITS * rounds) / 100)
  const named = titles.map((title) => [title, tally.get(title) ?? 0] as const)
  return {
    counts: [...named, ...[...tally].filter(([title]) => !titles.includes(title))],
    missed: named.filter(([, hits]) => hits < least).map(([title]) => title),
  }
}

function lineOf(error: unknown): string {
  return String(error).split('\n').slice(0, 6).join('\n')
}

/** Every blow of the storm, shuffled, dealt to rounds, ten of them to a workspace. */
function deal(rounds: number, seed: number): readonly (readonly Round[])[] {
  const throws = dice(seed)
  const times = Math.ceil((HITS * rounds) / 100)
  const named: Strike[] = PHASES.flatMap((phase) =>
    Array.from({ length: times }, () => ({ kind: 'phase', phase }) as const),
  )
  const random: Strike[] = Array.from({ length: Math.ceil((RANDOM * rounds) / 100) }, () => ({
    kind: 'random',
    verb: throws.pick(RANDOM_VERBS),
  }))
  const strikes = throws.shuffled([...named, ...random])
  const all = Array.from(
    { length: rounds },
    (_, number): Round => ({
      number,
      strikes: strikes.filter((_strike, index) => index % rounds === number),
    }),
  )
  return Array.from({ length: Math.ceil(rounds / ROUNDS_EACH) }, (_, index) =>
    all.slice(index * ROUNDS_EACH, (index + 1) * ROUNDS_EACH),
  )
}

/** The life of one workspace. */
async function live(
  rounds: readonly Round[],
  number: number,
  seed: number,
  tally: Tally,
): Promise<void> {
  const throws = dice(seed * 1000 + number)
  const lines: string[] = []
  let kept = false
  const workspace = await makeWorkspace(traitsOf(number), throws)
  const scene: Scene = {
    workspace,
    memory: newMemory(),
    dice: throws,
    tell: (line) => lines.push(line),
  }
  try {
    await placeForeign(workspace, scene.memory)
    await remember(workspace, scene.memory)
    for (let count = 0; count < WARM_UP; count++) {
      const { code, stderr } = await run(['backup', 'create'], { cwd: workspace.root })
      if (code !== 0) throw new Error(`the first backups failed: ${stderr}`)
    }
    for (const round of rounds) {
      await playRound(round, scene, tally)
      count(tally, 'rounds')
      lines.splice(0, Math.max(0, lines.length - 200))
    }
  } catch (cause) {
    kept = process.env.STORM_KEEP !== undefined
    const where = `STORM_SEED=${seed} STORM_WORKSPACE=${number} (${workspace.root})`
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${why}\n${where}\n${lines.slice(-60).join('\n')}`, { cause })
  } finally {
    await workspace.stopWriter()
    if (!kept) await workspace[Symbol.asyncDispose]()
  }
}

/** Each combination comes up; one workspace in three is content with one of its two targets. */
function traitsOf(number: number): Traits {
  return {
    targets: number % 3 === 2 ? 1 : 2,
    require: number % 3 === 1 ? 1 : 2,
    encrypted: number % 2 === 0,
    excludes: number % 4 < 2,
    journalMode: number % 5 < 3 ? 'wal' : 'delete',
    keepLast: 3,
  }
}
