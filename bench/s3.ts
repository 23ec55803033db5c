/*
 * How fast a bucket is beside the SDK alone: `node bench/s3.ts [--size 2GiB] [--rounds 3]`. A real Ceph
 * object gateway on loopback that keeps its objects in memory, one file of noise, uploads by lib-storage
 * with parts of the same size and number, downloads by one GetObject; each way in turn, each in a
 * process of its own, whose peak memory is told. Medians. Ends with 1 when ours is slower than 0.9 times
 * the SDK, or takes more than 250 MB.
 */
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs, promisify } from 'node:util'
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { section } from '../src/core/section.ts'
import { Secret } from '../src/lib/secret.ts'
import { parseSize } from '../src/lib/size.ts'
import { s3 } from '../src/targets/s3/kinds.ts'
import { startCeph } from '../test/services/ceph.ts'
import { clientOf, makeBucket, type S3Server } from '../test/services/s3-server.ts'
import { surroundings } from '../test/support/surroundings.ts'
import { median } from './measure.ts'
import { writeNoise } from './noise.ts'

const LEAST_RATIO = 0.9
const MOST_MEMORY = 250_000_000
const PART = 8 * 2 ** 20
const PARALLEL = 4
const MIB = 2 ** 20
const KEY = 'bench/object'
const run = promisify(execFile)
const signal = new AbortController().signal

const WAYS = ['sdk', 'holdfast'] as const
type Way = (typeof WAYS)[number]
const DIRECTIONS = ['up', 'down'] as const
type Direction = (typeof DIRECTIONS)[number]

/** What one transfer in a process of its own came to. */
interface Transfer {
  readonly seconds: number
  readonly peak: number
}

/** Where a transfer goes and what it sends. */
interface Place {
  readonly server: Pick<S3Server, 'endpoint' | 'accessKey' | 'secretKey'>
  readonly bucket: string
  readonly file: string
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      size: { type: 'string', default: '2GiB' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const [way, direction, place] = positionals
  if (way && direction && place) {
    return console.log(JSON.stringify(await transfer(way, direction, JSON.parse(place))))
  }
  const bytes = parseSize(values.size)
  if (bytes === null) throw new Error(`${values.size} is no size`)
  process.exitCode = (await compare(bytes, Number(values.rounds))) ? 0 : 1
}

async function compare(bytes: number, rounds: number): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-s3-'))
  try {
    await using ceph = await startCeph()
    const { endpoint, accessKey, secretKey } = ceph
    const bucket = await makeBucket(ceph)
    const place = { server: { endpoint, accessKey, secretKey }, bucket, file: join(folder, 'file') }
    await writeNoise(place.file, bytes)
    const found = new Map<string, Transfer[]>()
    for (let round = 0; round < rounds; round++) {
      for (const way of round % 2 === 0 ? WAYS : WAYS.toReversed()) {
        for (const direction of DIRECTIONS) {
          const name = `${direction} ${way}`
          found.set(name, [...(found.get(name) ?? []), await apart(way, direction, place)])
        }
        await clientOf(ceph).send(new DeleteObjectCommand({ Bucket: bucket, Key: KEY }))
        // The gateway frees memory when it likes: the next round is to find as much as this one.
        await ceph.admin('gc', 'process', '--include-all')
      }
    }
    return report(found, bytes)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function apart(way: Way, direction: Direction, place: Place): Promise<Transfer> {
  const args = [import.meta.filename, way, direction, JSON.stringify(place)]
  const { stdout } = await run(process.execPath, args)
  return JSON.parse(stdout)
}

async function transfer(way: string, direction: string, place: Place): Promise<Transfer> {
  const work = way === 'sdk' ? bySdk(place) : byHoldfast(place)
  const began = performance.now()
  await (direction === 'up' ? work.up() : work.down())
  const seconds = (performance.now() - began) / 1000
  return { seconds, peak: process.resourceUsage().maxRSS * 1024 }
}

interface Transfers {
  readonly up: () => Promise<unknown>
  readonly down: () => Promise<unknown>
}

function bySdk({ server, bucket, file }: Place): Transfers {
  const client = clientOf({ ...server, port: 0, [Symbol.asyncDispose]: async () => {} })
  const params = { Bucket: bucket, Key: KEY }
  return {
    up: () =>
      new Upload({
        client,
        params: { ...params, Body: source(file) },
        partSize: PART,
        queueSize: PARALLEL,
      }).done(),
    async down() {
      const { Body } = await client.send(new GetObjectCommand(params))
      if (!(Body instanceof Readable)) throw new Error('the SDK gives no stream')
      await pipeline(Body, nowhere())
    },
  }
}

function byHoldfast({ server, bucket, file }: Place): Transfers {
  const target = s3.configure(
    section('targets.bench', {
      ...{ bucket, region: 'us-east-1', endpoint: server.endpoint },
      access_key_id: new Secret(server.accessKey),
      secret_access_key: new Secret(server.secretKey),
    }),
    surroundings(),
  )
  return {
    up: () => target.put(KEY, source(file), { token: 'bench' }, signal),
    down: async () => pipeline(await target.get(KEY, 0, signal), nowhere()),
  }
}

function source(file: string): Readable {
  return createReadStream(file, { highWaterMark: MIB })
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}

/** Prints the table; whether ours is fast and small enough. */
function report(found: ReadonlyMap<string, readonly Transfer[]>, bytes: number): boolean {
  console.log(`${bytes / MIB} MiB   median s   MiB/s   times SDK   peak MB   rounds`)
  let isEnough = true
  for (const direction of DIRECTIONS) {
    const secondsOf = (way: Way) =>
      (found.get(`${direction} ${way}`) ?? []).map(({ seconds }) => seconds)
    for (const way of WAYS) {
      const middle = median(secondsOf(way))
      const ratio = median(secondsOf('sdk')) / middle
      const peak = Math.max(...(found.get(`${direction} ${way}`) ?? []).map((one) => one.peak))
      if (way === 'holdfast' && (ratio < LEAST_RATIO || peak > MOST_MEMORY)) isEnough = false
      const speed = (bytes / MIB / middle).toFixed(0)
      const rounds = secondsOf(way)
        .map((one) => one.toFixed(2))
        .join(' ')
      const name = `${direction} ${way}`.padEnd(14)
      const memory = (peak / 1e6).toFixed(0)
      console.log(
        `${name} ${middle.toFixed(2)}   ${speed}   ${ratio.toFixed(2)}   ${memory}   ${rounds}`,
      )
    }
  }
  return isEnough
}

await main()
