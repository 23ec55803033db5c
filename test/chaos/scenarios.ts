import type { Scenario } from './chaos.ts'

/** At most so many of one deployment. */
const SLOTS = 100
/** In which a deployment's slots fall, in milliseconds: as long as its strikes take. */
const WINDOW = 70_000

const ORDINARY = ['stopped beyond its lease', 'killed', 'two started at once', 'PostgreSQL crashed']

const SENTINELS: Scenario = {
  topology: 'sentinels',
  pooled: true,
  target: 'local',
  slots: SLOTS,
  window: WINDOW,
  strikes: [...ORDINARY, 'rolling upgrade', 'Redis primary killed'],
}

const CLUSTER: Scenario = {
  ...SENTINELS,
  topology: 'cluster',
  strikes: [...ORDINARY, 'rolling restart', 'Redis restarted empty'],
}

const SINGLE: Scenario = {
  topology: 'single',
  pooled: false,
  target: 's3',
  slots: SLOTS,
  window: WINDOW,
  strikes: [
    'cut from both',
    'cut from Redis',
    'cut from PostgreSQL',
    'rolling restart',
    'Redis emptied',
    'PostgreSQL failed over',
  ],
}

/** Deployments that are played side by side, until they had so many slots; at least one round. */
export function roundsOf(all: number): readonly (readonly Scenario[])[] {
  const count = Math.max(1, Math.ceil(all / (2 * SLOTS)))
  const slots = Math.ceil(all / (2 * count))
  return Array.from({ length: count }, (_, round) =>
    [round % 2 === 0 ? SENTINELS : CLUSTER, SINGLE].map((one) => ({ ...one, slots })),
  )
}
