import { join } from 'node:path'
import { configDefaults, defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'

/** Kills of restores of volumes at named places: minutes, so `npm run test:storm` has them. */
const LONG_FORMS = ['test/volume/kill-restore.test.ts']

/** Suites of what computes and keeps nothing: their files may share a process, and what it has loaded. */
const PURE = ['config', 'core', 'lib', 'view'].map((suite) => `test/${suite}/**/*.test.ts`)

const omitted = [...configDefaults.exclude, ...(process.env.STORM_ROUNDS ? [] : LONG_FORMS)]

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'together', include: PURE, isolate: false } },
      {
        extends: true,
        test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: [...omitted, ...PURE] },
      },
    ],
    // A program of ours in TypeScript is stripped and compiled once, not at each of its thousand starts.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'tests') },
    pool: 'forks',
    // One more than cores: what takes longest mostly waits for leases to end.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
    reporters: ['default', './test/support/budget-reporter.ts'],
  },
})
