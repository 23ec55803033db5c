// A process that puts 200 MiB into a bucket in parts of 8 MiB and ends by itself: `node
// s3-memory-child.ts OPTIONS`. Says how much its memory grew at most, in MiB, and its sockets stay open.
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { s3 } from '../../src/targets/s3/kinds.ts'
import { surroundings } from '../support/surroundings.ts'

const MIB = 1024 * 1024
const { access_key_id, secret_access_key, ...rest } = JSON.parse(process.argv[2] ?? '{}')
const secrets = {
  access_key_id: new Secret(access_key_id),
  secret_access_key: new Secret(secret_access_key),
}
const target = s3.configure(section('targets.child', { ...rest, ...secrets }), surroundings())
const signal = new AbortController().signal

/** One buffer for all: what is measured is the target's memory, not that of its body. */
const PIECE = Buffer.alloc(MIB, 7)

async function* body(mib: number) {
  for (let count = 0; count < mib; count++) yield PIECE
}

await target.put('small', body(1), { token: 't' }, signal)
const before = process.resourceUsage().maxRSS
await target.put('large', body(200), { token: 't' }, signal)
const grown = (process.resourceUsage().maxRSS - before) / 1024
process.stdout.write(`${Math.round(grown)}\n`)
