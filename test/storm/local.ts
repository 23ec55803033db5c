import { localShelves } from '../support/shelf.ts'
import { makeWorkspace, type Traits } from '../support/workspace.ts'
import { newMemory } from './memory.ts'
import { PHASES, titleOf, type Verb } from './phases.ts'
import { playRound } from './round.ts'
import type { Weather } from './storm.ts'
import type { Strike } from './strike.ts'

/** Blows at random moments in a hundred rounds. */
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

/** Kills at every phase, over folders of this machine. */
export const LOCAL: Weather<Strike> = {
  titles: PHASES.map(titleOf),
  strikes(rounds, each, dice) {
    const named = PHASES.flatMap((phase) =>
      Array.from({ length: each }, () => ({ kind: 'phase', phase }) as const),
    )
    const random = Array.from(
      { length: Math.ceil((RANDOM * rounds) / 100) },
      () => ({ kind: 'random', verb: dice.pick(RANDOM_VERBS) }) as const,
    )
    return [...named, ...random]
  },
  async open(number, dice, tell) {
    // One workspace in three is content with a single target.
    const shelves = localShelves(number % 3 === 2 ? 1 : 2)
    const workspace = await makeWorkspace(traitsOf(number), dice, shelves)
    const scene = { workspace, memory: newMemory(), dice, tell }
    return {
      scene,
      play: (round, tally) => playRound(round, scene, tally),
      [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
    }
  },
}

/** Each combination comes up. */
function traitsOf(number: number): Traits {
  return {
    require: number % 3 === 1 ? 1 : 2,
    // The state is lost now and then, and an adopted backup counts by what was found of it.
    quorum: 1,
    encrypted: number % 2 === 0,
    excludes: number % 4 < 2,
    journalMode: number % 5 < 3 ? 'wal' : 'delete',
    keepLast: 3,
    floor: 3,
    blob: 1_700_000,
    busy: true,
  }
}
