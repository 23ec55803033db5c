import { expect, it } from 'vitest'
import { farWeather } from './far.ts'
import { S3_PHASES } from './far-phases.ts'
import { startS3Site } from './site.ts'
import { report, storm } from './storm.ts'

const rounds = Number(process.env.STORM_FAR_ROUNDS ?? 20)
const seed = Number(process.env.STORM_SEED ?? 20_261_121)
/** Milliseconds for a round on a machine that has other things to do. */
const PATIENCE = 30_000

it(
  'keeps every promise over S3, whatever is killed, cut or stalled',
  async () => {
    console.log(`STORM_SEED=${seed} STORM_FAR_ROUNDS=${rounds}`)
    await using site = await startS3Site()
    // One lane: the server dies for all.
    const outcome = await storm(farWeather(S3_PHASES, site), { rounds, seed, lanes: 1 })
    console.log(report(outcome))
    expect(outcome.missed).toEqual([])
  },
  60_000 + rounds * PATIENCE,
)
