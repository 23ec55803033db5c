import { createInterface } from 'node:readline/promises'
import packageJson from '../package.json' with { type: 'json' }
import { runCommandLine } from './cli/commands.ts'
import type { Instant } from './core/model.ts'
import { Interrupted } from './lib/errors.ts'
import { giveBackAtRest } from './platform/memory.ts'
import { sourceKinds } from './sources/index.ts'
import { targetKinds } from './targets/index.ts'

/** What was interrupted and still hangs in the system gets this long; nothing waits for it any more. */
const LINGER = 5_000

const interrupted = new AbortController()
const interrupt = (signal: 'SIGINT' | 'SIGTERM') => {
  interrupted.abort(new Interrupted(`interrupted by ${signal}`, { signal }))
}
process.once('SIGINT', () => interrupt('SIGINT')).once('SIGTERM', () => interrupt('SIGTERM'))
giveBackAtRest()

process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  now: () => Date.now() as Instant,
  version: packageJson.version,
  plugins: { targets: targetKinds, sources: sourceKinds },
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  terminal: {
    progress: process.stderr.isTTY === true,
    lines: process.stdout.isTTY === true,
    color: process.stdout.isTTY === true && !process.env.NO_COLOR,
    columns: process.stderr.columns || 80,
    draw: (text) => process.stderr.write(text),
  },
  interrupted: interrupted.signal,
  ask: process.stdin.isTTY === true ? ask : null,
})

// A system call that hangs outlives even exit(), which waits for its thread: only a signal ends that.
if (process.exitCode === 143 || process.exitCode === 130) {
  const end = process.exitCode === 143 ? 'SIGTERM' : 'SIGINT'
  setTimeout(() => {
    process.removeAllListeners(end)
    process.kill(process.pid, end)
  }, LINGER).unref()
}

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  // A terminal in raw mode sends no signal of its own.
  lines.once('SIGINT', () => interrupt('SIGINT'))
  try {
    return await lines.question(question, { signal: interrupted.signal })
  } finally {
    lines.close()
  }
}
