// A process that puts one object: `node put-child.ts ROOT KEY TOKEN [hang]`. Told to hang, it says
// `writing` once part of the body is with the target, and waits to be killed.
import { section } from '../../src/core/section.ts'
import { local } from '../../src/targets/local.ts'
import { surroundings } from '../support/surroundings.ts'

const [root = '', key = '', token = '', hang] = process.argv.slice(2)
const target = local.configure(section('targets.child', { path: root }), surroundings())

async function* body() {
  for (let piece = 0; piece < 6; piece++) yield Buffer.alloc(512 * 1024, piece)
  yield Buffer.alloc(1000, 6)
  if (!hang) return
  process.stdout.write('writing\n')
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}

try {
  await target.put(key, body(), { token }, new AbortController().signal)
  process.stdout.write('stored\n')
} catch (error) {
  process.stdout.write(`${(error as Error).name}: ${(error as Error).message}\n`)
  process.exitCode = 1
}
