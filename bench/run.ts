/*
 * Full backup and restore, by Holdfast, by the script that an expert would write, and by restic
 * where it is installed: `npm run bench`. Prints one table of medians over rounds in which each has
 * its turn, in another order each time, on data that is in the page cache for all of them.
 */
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { availableParallelism, homedir, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { formatBytes, parseSize } from '../src/lib/size.ts'
import { type Contender, contenders, HOLDFAST, syncFileSystem } from './contenders.ts'
import { dataset } from './dataset.ts'
import { type Follow, measure, median, type Usage } from './measure.ts'
import { outputOf, pipe } from './programs.ts'
import { renderTable } from './table.ts'

const HELP = `npm run bench -- [options]

  --size SIZE    of the data that is made (1GiB)
  --files N      in it (25000)
  --data DIR     your own data instead
  --rounds N     medians are of so many (5)
  --cache DIR    where made data is kept and archives are written ($XDG_CACHE_HOME/holdfast-bench)
  --keep         leave archives and restored folders where they are
`

interface Options {
  readonly cache: string
  readonly data: string | null
  readonly bytes: number
  readonly files: number
  readonly rounds: number
  readonly keep: boolean
}

/** Everything that was measured of one contender. */
interface Results {
  readonly contender: Contender
  readonly backups: Usage[]
  readonly restores: Usage[]
  stored: number
}

const nothing: Follow = () => {}

async function main(): Promise<void> {
  const options = readOptions()
  if (options === null) return console.log(HELP)
  await mkdir(options.cache, { recursive: true })
  const { data, bytes, files } = await dataOf(options)
  const work = await mkdtemp(join(options.cache, 'run-'))
  console.log(`${mebibytes(bytes)} in ${files} files in ${data}`)
  console.log(`${options.rounds} rounds, ${availableParallelism()} cores, in ${work}\n`)
  try {
    const load = loadavg()[0] ?? 0
    const all = (await contenders(data, work)).map(
      (contender): Results => ({ contender, backups: [], restores: [], stored: 0 }),
    )
    await mustFit(work, bytes * (1 + options.rounds * (all.length + 1)))
    for (let round = 0; round < options.rounds; round++) {
      for (let turn = 0; turn < all.length; turn++) {
        const results = all[(round + turn) % all.length]
        if (results) await takeTurn(results, { data, work, round })
      }
    }
    console.log(renderTable(rowsOf(all), bytes))
    console.log(`\nstart of the program alone: ${(await startSeconds()).toFixed(2)} s`)
    console.log(`load before ${load.toFixed(1)}, after ${(loadavg()[0] ?? 0).toFixed(1)}`)
  } finally {
    if (!options.keep) await rm(work, { recursive: true, force: true })
  }
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      size: { type: 'string', default: '1GiB' },
      files: { type: 'string', default: '25000' },
      data: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      cache: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const bytes = parseSize(values.size)
  if (bytes === null) throw new Error(`--size ${values.size} is no size; write 1GiB or 500MiB`)
  const home = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return {
    cache: resolve(values.cache ?? join(home, 'holdfast-bench')),
    data: values.data === undefined ? null : resolve(values.data),
    bytes,
    files: count('files', values.files),
    rounds: count('rounds', values.rounds),
    keep: values.keep,
  }
}

function count(name: string, value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`--${name} ${value} is no whole number above 0`)
}

async function dataOf(options: Options) {
  const data = options.data ?? (await dataset(options.cache, options))
  const listed = await outputOf({ command: 'find', args: [data, '-type', 'f', '-printf', '%s\\n'] })
  const sizes = listed.split('\n').filter(Boolean).map(Number)
  return { data, bytes: sizes.reduce((sum, size) => sum + size, 0), files: sizes.length }
}

/** Restored folders stay to the end, and so do the archives of Holdfast. */
async function mustFit(work: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(work)
  const free = bavail * bsize
  if (free >= needed) return
  const lack = `${formatBytes(needed)} are needed and ${formatBytes(free)} are free`
  throw new Error(`not enough room in ${work}: ${lack}; take fewer --rounds, or another --cache`)
}

interface Turn {
  readonly data: string
  readonly work: string
  readonly round: number
}

async function takeTurn(results: Results, { data, work, round }: Turn): Promise<void> {
  const { contender } = results
  // Kept to the end: ext4 makes new files many times slower for minutes after many were removed.
  const restored = join(work, `restored-${round}-${contender.id}`)
  await contender.prepare()
  await settle(data, work)
  results.backups.push(await measure((follow) => contender.backup(follow)))
  results.stored = await contender.stored()
  await settle(data, work)
  results.restores.push(await measure((follow) => contender.restore(restored, follow)))
  if (round === 0) await mustBeEqual(data, join(restored, contender.inside))
}

/** Nothing of the turn before is left to be written, and the data is in the page cache. */
async function settle(data: string, work: string): Promise<void> {
  await syncFileSystem(work, nothing)
  const find = ['-type', 'f', '-exec', 'cat', '{}', '+']
  await pipe([{ command: 'find', args: [data, ...find] }], nothing)
}

async function mustBeEqual(data: string, restored: string): Promise<void> {
  const args = ['--recursive', '--no-dereference', '--brief', data, restored]
  await pipe([{ command: 'diff', args }], nothing)
}

async function startSeconds(): Promise<number> {
  const starts: number[] = []
  for (let round = 0; round < 5; round++) {
    const start = measure((follow) => pipe([{ command: HOLDFAST, args: ['--version'] }], follow))
    starts.push((await start).seconds)
  }
  return median(starts)
}

function rowsOf(all: readonly Results[]) {
  return all.map(({ contender, backups, restores, stored }) => ({
    name: contender.name,
    backups,
    restores,
    stored,
  }))
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`
}

await main()
