import { expect, it } from 'vitest'
import { play } from './chaos.ts'

const seed = Number(process.env.CHAOS_SEED ?? 20_261_122)

it('does each slot once, loses none and leaves nothing stuck, whatever is killed, stopped or cut off', async () => {
  const outcome = await play(
    {
      topology: 'sentinels',
      pooled: true,
      target: 'local',
      slots: 60,
      window: 40_000,
      strikes: ['killed', 'killed', 'killed', 'killed'],
    },
    seed,
  )
  console.log(outcome.log.join('\n'), outcome)
  expect(outcome.broken).toEqual([])
}, 600_000)
