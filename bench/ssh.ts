/*
 * How fast the ssh target is beside `scp`: `node bench/ssh.ts [--size 1GiB] [--rounds 3]`. A private
 * sshd on loopback, one file of noise, each way in turn, each with a connection of its own; both
 * directions end with the file on the disk, downloads as `backup download` writes them. Medians. Ends with 1 when ours is slower than 0.8 times scp.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { section } from '../src/core/section.ts'
import { Secret } from '../src/lib/secret.ts'
import { parseSize } from '../src/lib/size.ts'
import { directWriter } from '../src/platform/direct.ts'
import { pour } from '../src/platform/pour.ts'
import { LIMITS } from '../src/targets/ssh/limits.ts'
import { sshKind } from '../src/targets/ssh/ssh.ts'
import { type Sshd, startSshd } from '../test/services/sshd.ts'
import { surroundings } from '../test/support/surroundings.ts'
import { median } from './measure.ts'
import { writeNoise } from './noise.ts'

const LEAST_RATIO = 0.8
const MIB = 2 ** 20
const run = promisify(execFile)
const signal = new AbortController().signal

type Way = 'scp' | 'holdfast'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: '1GiB' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const bytes = parseSize(values.size)
  if (bytes === null) throw new Error(`${values.size} is no size`)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-ssh-'))
  try {
    // The copies of scp need a program on the far side; ours never do.
    await using sshd = await startSshd({ lines: ['ForceCommand none'] })
    await writeFile(join(folder, 'key'), sshd.keys.plain, { mode: 0o600 })
    await writeNoise(join(folder, 'file'), bytes)
    const seconds = new Map<string, number[]>()
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const way of round % 2 === 0 ? WAYS : WAYS.toReversed()) {
        for (const [direction, work] of Object.entries(transfers(way, sshd, folder))) {
          const name = `${direction} ${way}`
          seconds.set(name, [...(seconds.get(name) ?? []), await timed(work)])
        }
        await rm(join(folder, 'there'), { recursive: true })
        await rm(join(folder, 'back'))
      }
    }
    process.exitCode = report(seconds, bytes) ? 0 : 1
  } finally {
    await rm(folder, { recursive: true })
  }
}

const WAYS: readonly Way[] = ['scp', 'holdfast']

interface Transfers {
  readonly up: () => Promise<unknown>
  readonly down: () => Promise<unknown>
}

function transfers(way: Way, sshd: Sshd, folder: string): Transfers {
  const [file, there, back] = ['file', 'there/acme/db', 'back'].map((name) => join(folder, name))
  if (!file || !there || !back) throw new Error('there are three paths')
  return way === 'scp'
    ? scp(sshd, folder, { file, there, back })
    : ours(sshd, folder, { file, back })
}

function scp(
  { port, username }: Sshd,
  folder: string,
  { file, there, back }: { file: string; there: string; back: string },
): Transfers {
  const options = [
    'StrictHostKeyChecking=no',
    `UserKnownHostsFile=${folder}/hosts`,
    'LogLevel=ERROR',
  ]
  const copy = (from: string, to: string) =>
    run('scp', [
      ...['-q', '-P', `${port}`, '-i', join(folder, 'key')],
      ...options.flatMap((option) => ['-o', option]),
      ...[from, to],
    ])
  const far = `${username}@127.0.0.1:${there}`
  return {
    up: async () => {
      await run('mkdir', ['-p', join(there, '..')])
      await copy(file, far)
      await run('sync', [there])
    },
    down: async () => {
      await copy(far, back)
      await run('sync', [back])
    },
  }
}

function ours(
  { port, username, keys }: Sshd,
  folder: string,
  { file, back }: { file: string; back: string },
): Transfers {
  const target = sshKind(LIMITS).configure(
    section('targets.bench', {
      ...{ host: '127.0.0.1', port, username, path: join(folder, 'there') },
      private_key: new Secret(keys.plain),
    }),
    surroundings({ dataDir: folder }),
  )
  return {
    up: () => target.put('acme/db', contentOf(file), { token: 'bench' }, signal),
    down: async () => {
      await using file = await open(back, 'w')
      await using writer = directWriter(file, back)
      await pour(await target.get('acme/db', 0, signal), writer.write, signal)
      await writer.end()
      await file.sync()
    },
  }
}

/** In large pieces, of a few buffers in turn: reading must not cost more than sending. */
async function* contentOf(path: string): AsyncGenerator<Uint8Array> {
  await using file = await open(path)
  const buffers = Array.from({ length: 8 }, () => Buffer.alloc(MIB))
  for (let turn = 0; ; turn++) {
    const { bytesRead, buffer } = await file.read(buffers[turn % 8] ?? Buffer.alloc(MIB))
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

/** Prints the table; whether ours is fast enough. */
function report(seconds: ReadonlyMap<string, readonly number[]>, bytes: number): boolean {
  console.log(`${bytes / MIB} MiB     median s   MiB/s   times scp   rounds`)
  let isEnough = true
  for (const direction of ['up', 'down']) {
    const standard = median(seconds.get(`${direction} scp`) ?? [])
    for (const way of WAYS) {
      const all = seconds.get(`${direction} ${way}`) ?? []
      const ratio = standard / median(all)
      if (way === 'holdfast' && ratio < LEAST_RATIO) isEnough = false
      const speed = (bytes / MIB / median(all)).toFixed(0)
      const rounds = all.map((one) => one.toFixed(2)).join(' ')
      const name = `${direction} ${way}`.padEnd(16)
      console.log(`${name} ${median(all).toFixed(2)}   ${speed}   ${ratio.toFixed(2)}   ${rounds}`)
    }
  }
  return isEnough
}

await main()
