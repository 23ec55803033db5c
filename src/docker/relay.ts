import process from 'node:process'
import { pipeline } from 'node:stream/promises'
import { parseEngineAddress } from '../core/engine-address.ts'
import { Interrupted, messageOf } from '../lib/errors.ts'
import { openEngine } from './engine.ts'
import { startExec } from './exec.ts'
import { NO_END, RELAY_TASK, type RelayTask } from './relayed.ts'

/** Exit code of whatever died by SIGKILL. */
const KILLED = 137
/** It has no last word of its own. */
const KILLED_BY = 'its container was stopped or removed, or there was no memory left'

/*
 * Stands for a program in a container: its input, output, complaints and exit code are ours.
 *
 *   our stdin ─▶ engine ─▶ program ─▶ engine ─▶ our stdout
 *
 * So whoever joins programs by the kernel's pipes can join one that runs elsewhere, and no byte of it
 * passes through the daemon. A program whose end cannot be proven ends us with a code of our own.
 */
async function main(): Promise<number> {
  const task = JSON.parse(process.env[RELAY_TASK] ?? '') as RelayTask
  delete process.env[RELAY_TASK]
  const address = parseEngineAddress(task.host)
  if (address.kind === 'bad') throw new Error(address.why)
  const told = new AbortController()
  process.on('SIGTERM', () => told.abort(new Interrupted('told to end', { signal: 'SIGTERM' })))
  const running = await startExec(await openEngine(address), task.program, {
    ...(task.hasInput ? { stdin: 'pipe' } : {}),
    timeLimit: null,
    onStderrLine: (line) => process.stderr.write(`${line}\n`),
    signal: told.signal,
  })
  const { stdin, stdout, exit, stop } = running
  // A program may end in peace with some of its input unread.
  if (stdin) pipeline(process.stdin, stdin).catch(() => {})
  try {
    await pipeline(stdout, process.stdout, { end: false })
    // An exit would cut off what is not written yet.
    await new Promise((resolve) => process.stdout.write('', resolve))
    const { command, code, stderr, stderrTotal } = await exit
    if (stderrTotal === 0) for (const line of stderr) process.stderr.write(`${line}\n`)
    if (code === KILLED) process.stderr.write(`${command} was killed: ${KILLED_BY}\n`)
    return code ?? NO_END
  } catch (error) {
    await stop()
    throw error
  }
}

const code = await main().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`)
  return NO_END
})
// An input that nobody ends would keep us.
process.exit(code)
