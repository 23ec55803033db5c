import { expect, it } from 'vitest'
import { type Outcome, play } from './chaos.ts'
import { report } from './report.ts'
import { roundsOf } from './scenarios.ts'

const slots = Number(process.env.CHAOS_SLOTS ?? 100)
const seed = Number(process.env.CHAOS_SEED ?? 20_261_126)
const only = process.env.CHAOS_ONLY
/** Milliseconds for a round on a machine that has other things to do. */
const PATIENCE = 480_000

const rounds = roundsOf(slots)

it(
  'does each slot once, loses none and leaves nothing stuck, whatever is killed, stopped or cut off',
  async () => {
    console.log(`CHAOS_SEED=${seed} CHAOS_SLOTS=${slots}`)
    const outcomes: Outcome[] = []
    for (const [round, scenarios] of rounds.entries()) {
      const chosen = scenarios.map((scenario, index) => ({
        scenario,
        name: `${round}.${scenario.topology}`,
        seed: (seed + round) * 10 + index,
      }))
      const played = chosen.filter(({ name }) => only === undefined || name === only)
      outcomes.push(...(await Promise.all(played.map(play))))
    }
    console.log(report(outcomes))
    expect(outcomes.flatMap(({ broken }) => broken)).toEqual([])
  },
  rounds.length * PATIENCE,
)
