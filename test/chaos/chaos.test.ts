import { expect, it } from 'vitest'
import { play } from './chaos.ts'
import { SCENARIOS } from './scenarios.ts'

const seed = Number(process.env.CHAOS_SEED ?? 20_261_122)
const only = process.env.CHAOS_SCENARIO

it('does each slot once, loses none and leaves nothing stuck, whatever is killed, stopped or cut off', async () => {
  const chosen = SCENARIOS.filter((_, index) => only === undefined || Number(only) === index)
  const outcomes = await Promise.all(chosen.map((one) => play(one, seed)))
  for (const outcome of outcomes) console.log(outcome.log.join('\n'), outcome)
  expect(outcomes.flatMap(({ broken }) => broken)).toEqual([])
}, 600_000)
