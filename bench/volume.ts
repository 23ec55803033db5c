/*
 * Full backups of a Docker volume by each way that its bytes can be had, held against the script that
 * an expert would write over its folder: `node bench/volume.ts`. Needs root, for an engine of its own.
 * Ends with 1 when the volume's own path takes more than 1.1 times as long as the script, or a process
 * of Holdfast more than 200 MB.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { formatBytes, parseSize } from '../src/lib/size.ts'
import { type DockerEngine, startDocker } from '../test/services/docker.ts'
import { HOLDFAST, script } from './contenders.ts'
import { dataset } from './dataset.ts'
import { type Follow, measure, median, type Usage } from './measure.ts'
import { outputOf, pipe } from './programs.ts'

const VOLUME = 'bench'
const MOST_TIMES = 1.1
const MOST_MEMORY = 200_000_000

/** One way to back the volume up. */
interface Way {
  readonly name: string
  readonly usages: Usage[]
  backup(follow: Follow): Promise<void>
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: '1GiB' },
      files: { type: 'string', default: '25000' },
      rounds: { type: 'string', default: '5' },
      ways: { type: 'string', default: 'directory,path,helper,engine' },
    },
  })
  const bytes = parseSize(values.size)
  if (bytes === null) throw new Error(`--size ${values.size} is no size; write 1GiB or 500MiB`)
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'holdfast-bench')
  await mkdir(cache, { recursive: true })
  const data = await dataset(cache, { bytes, files: Number(values.files) })
  const work = await mkdtemp(join(cache, 'run-'))
  await using docker = await startDocker(['debian'])
  try {
    await docker.docker('volume', 'create', VOLUME)
    await cp(data, docker.volume(VOLUME), { recursive: true })
    const all = await waysOf(docker, work, values.ways.split(','))
    const load = loadavg()[0] ?? 0
    for (let round = 0; round < Number(values.rounds); round++) {
      for (let turn = 0; turn < all.length; turn++) {
        const way = all[(round + turn) % all.length]
        if (!way) continue
        // Nothing of the turn before is left to be written.
        await outputOf({ command: 'sync', args: [] })
        way.usages.push(await measure((follow) => way.backup(follow)))
      }
    }
    console.log(`${formatBytes(bytes)} in ${values.files} files, ${values.rounds} rounds`)
    for (const line of linesOf(all)) console.log(line)
    console.log(`load before ${load.toFixed(1)}, after ${(loadavg()[0] ?? 0).toFixed(1)}`)
    process.exitCode = isWithinLimits(all) ? 0 : 1
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

const nameOf = (via: string) => `holdfast, ${via}`

async function waysOf(
  docker: DockerEngine,
  work: string,
  names: readonly string[],
): Promise<readonly Way[]> {
  const identity = join(work, 'key.txt')
  await outputOf({ command: 'age-keygen', args: ['-o', identity] })
  const recipient = (await outputOf({ command: 'age-keygen', args: ['-y', identity] })).trim()
  const data = docker.volume(VOLUME)
  const byHand = await script({ data, identity, recipient, work: join(work, 'script') })
  const first: Way = {
    name: byHand.name,
    usages: [],
    async backup(follow) {
      await byHand.prepare()
      await byHand.backup(follow)
    },
  }
  const others = names.map(async (via): Promise<Way> => {
    const folder = join(work, via)
    await mkdir(folder)
    const config = join(folder, 'holdfast.yml')
    // For comparison: the same folder, without an engine.
    const source =
      via === 'directory'
        ? `{ type: directory, path: ${data}, name: data }`
        : `{ type: volume, volume: ${VOLUME}, docker: "${docker.host}", via: ${via} }`
    const lines = [
      `data_dir: ${folder}/state`,
      `encryption: { recipients: [${recipient}], identity_file: ${identity} }`,
      `targets: { shelf: { type: local, path: ${folder}/shelf } }`,
      `jobs: { bench: { source: ${source}, targets: [shelf] } }`,
    ]
    await writeFile(config, `${lines.join('\n')}\n`)
    const args = ['backup', 'create', '--quiet', '--config', config]
    return {
      name: nameOf(via),
      usages: [],
      backup: (follow) => pipe([{ command: HOLDFAST, args }], follow),
    }
  })
  return [first, ...(await Promise.all(others))]
}

const secondsOf = ({ usages }: Way) => median(usages.map(({ seconds }) => seconds))
const peakOf = ({ usages }: Way) => Math.max(...usages.map(({ mainPeak }) => mainPeak))

function isWithinLimits([byHand, ...ours]: readonly Way[]): boolean {
  const byPath = ours.find(({ name }) => name === nameOf('path'))
  const isQuick = !byHand || !byPath || secondsOf(byPath) <= MOST_TIMES * secondsOf(byHand)
  return isQuick && ours.every((way) => peakOf(way) <= MOST_MEMORY)
}

function linesOf(ways: readonly Way[]): readonly string[] {
  const [byHand] = ways
  return ways.map((way) => {
    const seconds = secondsOf(way)
    const ratio = byHand ? seconds / secondsOf(byHand) : 1
    const cpu = median(way.usages.map(({ cpuSeconds }) => cpuSeconds))
    const words = [`${seconds.toFixed(2)} s`, ratio.toFixed(2), `${cpu.toFixed(2)} cpu s`]
    return [way.name.padEnd(20), ...words, `${(peakOf(way) / 2 ** 20).toFixed(0)} MiB`].join('  ')
  })
}

await main()
