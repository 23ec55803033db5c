// A process that works on an SSH target: `node ssh-child.ts OPTIONS DATA_DIR VERB KEY TOKEN`. `hang`
// puts an object, says `writing` once part of it is there, and waits to be killed; `put` puts one,
// `stat` looks at one, and they say `done` when they are.
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ssh } from '../../src/targets/ssh/ssh.ts'
import { surroundings } from '../support/surroundings.ts'

const [options = '{}', dataDir = '', verb = '', key = '', token = ''] = process.argv.slice(2)
const { private_key, ...rest } = JSON.parse(options)
const block = section('targets.child', { ...rest, private_key: new Secret(private_key) })
const target = ssh.configure(block, surroundings({ dataDir }))
const signal = new AbortController().signal

async function* body() {
  for (let piece = 0; piece < 6; piece++) yield Buffer.alloc(512 * 1024, piece)
  yield Buffer.alloc(1000, 6)
  if (verb !== 'hang') return
  process.stdout.write('writing\n')
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}

if (verb === 'stat') await target.stat(key, signal)
else await target.put(key, body(), { token }, signal)
process.stdout.write('done\n')
