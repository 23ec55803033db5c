import { type Dice, dice } from '../support/dice.ts'
import { placeForeign, remember } from './memory.ts'
import { count, type Tally } from './round.ts'
import { command, type Scene } from './scene.ts'

export interface StormOptions {
  readonly rounds: number
  readonly seed: number
  readonly lanes: number
}

/** What a storm came to: counts by title, named ones in their order first. */
export interface Outcome {
  readonly counts: readonly (readonly [title: string, count: number])[]
  /** Named titles that did not come up as often as they must. */
  readonly missed: readonly string[]
}

/** What befalls a workspace in one round. */
export interface Round<Strike> {
  readonly number: number
  readonly strikes: readonly Strike[]
}

/** What a storm throws, and at what. */
export interface Weather<Strike> {
  /** Titles that must come up. */
  readonly titles: readonly string[]
  /** Every strike of so many rounds: each title `each` times, and whatever else. */
  strikes(rounds: number, each: number, dice: Dice): readonly Strike[]
  open(number: number, dice: Dice, tell: Scene['tell']): Promise<Stage<Strike>>
}

/** A workspace for some rounds. */
export interface Stage<Strike> extends AsyncDisposable {
  readonly scene: Scene
  /** Strikes, starts again, and checks every law. Throws `LawBroken`. */
  play(round: Round<Strike>, tally: Tally): Promise<void>
}

/** Rounds that one workspace lives through. */
const ROUNDS_EACH = 10
/** Each named title comes up this often in a hundred rounds. */
const HITS = 5
/** Backups before the first blow: with them there is something to prune and to lose. */
const WARM_UP = 3

interface Life<Strike> {
  readonly weather: Weather<Strike>
  readonly number: number
  readonly rounds: readonly Round<Strike>[]
  readonly seed: number
}

/** Plays all rounds, on so many workspaces at once. Throws each law that broke, with how to throw the same dice again. */
export async function storm<Strike>(
  weather: Weather<Strike>,
  { rounds, seed, lanes }: StormOptions,
): Promise<Outcome> {
  const tally: Tally = new Map()
  const lives = deal(weather, rounds, seed).map((rounds, number) => ({
    ...{ weather, number, rounds, seed },
  }))
  const only = process.env.STORM_WORKSPACE
  const chosen = only === undefined ? lives : lives.filter(({ number }) => number === Number(only))
  const failures: unknown[] = []
  const lane = async () => {
    for (let next = chosen.shift(); next; next = chosen.shift()) {
      await live(next, tally).catch((error) => {
        console.error(String(error))
        failures.push(error)
      })
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  if (failures.length > 0)
    throw new Error(`${failures.length} workspaces broke a law: ${failures.map(lineOf).join('\n')}`)
  const { titles } = weather
  const least = only === undefined ? Math.floor((HITS * rounds) / 100) : 0
  const named = titles.map((title) => [title, tally.get(title) ?? 0] as const)
  return {
    counts: [...named, ...[...tally].filter(([title]) => !titles.includes(title))],
    missed: named.filter(([, hits]) => hits < least).map(([title]) => title),
  }
}

/** The counts as a table. */
export function report({ counts }: Outcome): string {
  const width = Math.max(...counts.map(([title]) => title.length))
  return counts.map(([title, hits]) => `${title.padEnd(width)} ${hits}`).join('\n')
}

function lineOf(error: unknown): string {
  return String(error).split('\n').slice(0, 6).join('\n')
}

/** Every strike of the storm, shuffled, dealt to rounds, ten of them to a workspace. */
function deal<Strike>(
  weather: Weather<Strike>,
  rounds: number,
  seed: number,
): readonly (readonly Round<Strike>[])[] {
  const throws = dice(seed)
  const each = Math.ceil((HITS * rounds) / 100)
  const strikes = throws.shuffled(weather.strikes(rounds, each, throws))
  const all = Array.from(
    { length: rounds },
    (_, number): Round<Strike> => ({
      number,
      strikes: strikes.filter((_strike, index) => index % rounds === number),
    }),
  )
  return Array.from({ length: Math.ceil(rounds / ROUNDS_EACH) }, (_, index) =>
    all.slice(index * ROUNDS_EACH, (index + 1) * ROUNDS_EACH),
  )
}

/** The life of one workspace. */
async function live<Strike>(
  { weather, number, rounds, seed }: Life<Strike>,
  tally: Tally,
): Promise<void> {
  const lines: string[] = []
  let kept = false
  const stage = await weather.open(number, dice(seed * 1000 + number), (line) => lines.push(line))
  const { workspace, memory } = stage.scene
  try {
    await placeForeign(workspace, memory)
    await remember(workspace, memory)
    for (let count = 0; count < WARM_UP; count++) {
      const { code, stderr } = await command(stage.scene, ['backup', 'create'])
      if (code !== 0) throw new Error(`the first backups failed: ${stderr}`)
    }
    for (const round of rounds) {
      await stage.play(round, tally)
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
    if (!kept) await stage[Symbol.asyncDispose]()
  }
}
