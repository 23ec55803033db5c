import { expect, it } from 'vitest'
import { LOCAL } from './local.ts'
import { report, storm } from './storm.ts'

const rounds = Number(process.env.STORM_ROUNDS ?? 100)
const seed = Number(process.env.STORM_SEED ?? 20_261_120)
const lanes = Number(process.env.STORM_LANES ?? 2)
/** Milliseconds for a round on a machine that has other things to do. */
const PATIENCE = 15_000

it(
  'loses nothing, claims nothing and leaves nothing stuck, whenever it is killed',
  async () => {
    console.log(`STORM_SEED=${seed} STORM_ROUNDS=${rounds}`)
    const outcome = await storm(LOCAL, { rounds, seed, lanes })
    console.log(report(outcome))
    expect(outcome.missed).toEqual([])
  },
  rounds * PATIENCE,
)
