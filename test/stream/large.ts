import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { json } from 'node:stream/consumers'
import { Secret } from '../../src/lib/secret.ts'
import { pour, writeAll } from '../../src/platform/pour.ts'
import { run } from '../../src/platform/program.ts'
import { seal } from '../../src/stream/seal.ts'
import { readThrough } from '../../src/stream/unseal.ts'

/** Seals 200 MB that do not compress into a file, reads them back, and tells its own peak memory. */
interface Question {
  readonly recipient: string
  readonly identity: string
  readonly file: string
}

const MIB = 1024
const signal = new AbortController().signal
const peak = () => Math.round(process.resourceUsage().maxRSS / MIB)
const { recipient, identity, file } = (await json(process.stdin)) as Question

// The same bytes each time, from a cipher over zeros.
const key = createHash('sha256').update(file).digest('hex')
const command = 'openssl'
const args = ['enc', '-aes-256-ctr', '-K', key, '-iv', '0'.repeat(32), '-in', `${file}.zero`]
const zeros = await open(`${file}.zero`, 'w')
await zeros.truncate(200 * 2 ** 20)
await zeros.close()
const before = peak()

const sealing = seal(
  { kind: 'program', program: { command, args } },
  {
    layer: 'raw',
    compression: { kind: 'zstd', level: 1 },
    encryption: { kind: 'recipients', recipients: [recipient] },
    threads: 1,
    nice: 0,
    throttle: null,
  },
  async (exit) => {
    if (exit?.code !== 0) throw new Error(exit?.stderr.join())
  },
  signal,
)
const out = await open(file, 'wx')
await pour(sealing.body, (batch) => writeAll(out, batch), signal)
await out.close()
const { layers, stored } = await sealing.outcome
const keys = [{ kind: 'identity', secret: new Secret(identity), file: 'k' }] as const
const read = await readThrough(createReadStream(file), { layers, keys }, signal)
const hash = await run(
  { command: 'sh', args: ['-c', 'openssl "$@" | sha256sum', 'sh', ...args] },
  { timeLimit: 60_000, signal },
)
const equal = hash.stdout.startsWith(read.content.sha256) && stored.sha256 === read.stored.sha256
process.stdout.write(JSON.stringify({ before, after: peak(), equal }))
