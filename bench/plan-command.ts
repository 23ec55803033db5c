/*
 * How long `holdfast plan` takes on a large deployment: `node bench/plan-command.ts [--keep]`. A
 * thousand jobs with a hundred copies each: real files on a local target, an archive of a few bytes
 * and its manifest, all of them known to the history. Medians of five rounds, once when nothing is
 * to be done and once when a tightened retention deletes the half of it. Ends with 1 when the first
 * takes more than three seconds.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadConfig } from '../src/config/load.ts'
import { manifestKey } from '../src/core/archive-key.ts'
import { encodeManifest } from '../src/core/manifest.ts'
import type { Instant } from '../src/core/model.ts'
import { HOLDFAST } from './contenders.ts'
import {
  CONTENT,
  COPIES_OF_A_JOB,
  configText,
  type Entry,
  entriesOf,
  manifestOf,
  writeState,
} from './many-copies.ts'
import { measure, median } from './measure.ts'
import { pipe } from './programs.ts'

const JOBS = 1000
const ROUNDS = 5
const BUDGET_SECONDS = 3

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-plan-'))
  const config = join(folder, 'holdfast.yml')
  const target = `{ type: local, path: ${folder}/archives }`
  const deployment = { folder, jobs: JOBS, target }
  try {
    await writeFile(config, configText(deployment, COPIES_OF_A_JOB))
    const desired = await loadConfig({ path: config, env: {}, cwd: folder })
    const entries = desired.jobs.flatMap((job) => entriesOf(job, Date.now() as Instant))
    for (const entry of entries) writeObjects(join(folder, 'archives'), entry)
    await writeState(desired, entries)
    console.log(`${JOBS} jobs, ${entries.length} copies in ${folder}`)
    console.log('plan                      median s   cpu s   peak MiB')
    const seconds = await timed('nothing to be done', config)
    await writeFile(config, configText(deployment, COPIES_OF_A_JOB / 2))
    await timed('half of it to be deleted', config)
    process.exitCode = seconds <= BUDGET_SECONDS ? 0 : 1
  } finally {
    if (!process.argv.includes('--keep')) await rm(folder, { recursive: true, force: true })
  }
}

function writeObjects(root: string, { backup, copy }: Entry): void {
  const path = join(root, copy.key)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, CONTENT)
  writeFileSync(join(root, manifestKey(copy.key)), encodeManifest(manifestOf(backup, copy)))
}

async function timed(name: string, config: string): Promise<number> {
  const usages = []
  for (let round = 0; round <= ROUNDS; round++) {
    const step = { command: HOLDFAST, args: ['plan', '--config', config] }
    const usage = await measure((follow) => pipe([step], follow))
    // The first one only warms what is read.
    if (round > 0) usages.push(usage)
  }
  const seconds = median(usages.map((usage) => usage.seconds))
  const cells = [
    seconds.toFixed(2).padStart(8),
    median(usages.map(({ cpuSeconds }) => cpuSeconds))
      .toFixed(2)
      .padStart(7),
    (Math.max(...usages.map(({ mainPeak }) => mainPeak)) / 2 ** 20).toFixed(0).padStart(10),
  ]
  console.log(`${name.padEnd(25)} ${cells.join(' ')}`)
  return seconds
}

await main()
