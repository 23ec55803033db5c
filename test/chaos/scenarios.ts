import type { Scenario } from './chaos.ts'

/** What the short form plays, side by side. */
export const SCENARIOS: readonly Scenario[] = [
  {
    topology: 'sentinels',
    pooled: true,
    target: 'local',
    slots: 100,
    window: 50_000,
    strikes: [
      'stopped beyond its lease',
      'killed',
      'two started at once',
      'rolling upgrade',
      'Redis primary killed',
      'PostgreSQL crashed',
    ],
  },
  {
    topology: 'single',
    pooled: false,
    target: 's3',
    slots: 100,
    window: 50_000,
    strikes: [
      'cut from both',
      'cut from Redis',
      'cut from PostgreSQL',
      'killed',
      'rolling restart',
      'Redis emptied',
      'PostgreSQL failed over',
    ],
  },
]
