import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import type { Readable } from 'node:stream'
import type { Account, SuperviseTask } from './account.ts'

/*
 * Runs a program with a counter at its output or input, and accounts for both.
 *
 *   output:  program ═fifo═▶ dd ─▶ our stdout
 *   input:   our stdin ─▶ dd ═fifo═▶ program
 *
 * Where the end of the output is asked for, a tee gives all of it to a tail as well:
 *
 *   program ═fifo═▶ dd ═fifo═▶ tee ─▶ our stdout
 *                               ╚═fifo═▶ tail
 *
 * The bytes never pass through here. The program's end is a real pipe: Node would give it a socket,
 * which a program cannot open as /dev/stdout or /dev/stdin. Whoever started us ends us by our process
 * group, which the program and dd belong to.
 */

/** Large enough to keep up with any compressor, small enough to stay in the processor's cache. */
const BLOCK = 256 * 1024

async function main(): Promise<void> {
  const task = JSON.parse(process.env.HOLDFAST_SUPERVISE ?? '') as SuperviseTask
  delete process.env.HOLDFAST_SUPERVISE
  const account = await supervise(task)
  writeFileSync(task.account, JSON.stringify(account), { mode: 0o600 })
  process.exitCode = account.program.code === 0 && account.counted !== null ? 0 : 1
}

async function supervise({ argv, env, fifo, direction, tail }: SuperviseTask): Promise<Account> {
  const [read, write] = openPipe(fifo)
  const isOutput = direction === 'output'
  const program = spawn(argv[0], argv.slice(1), {
    stdio: isOutput ? ['ignore', write, 'inherit'] : [read, 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  const watched = isOutput && tail > 0 ? watchEnd(fifo, tail) : null
  const counter = spawn('dd', [`bs=${BLOCK}`], {
    stdio: isOutput ? [read, watched?.input ?? 'inherit', 'pipe'] : ['inherit', write, 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  })
  closeSync(read)
  closeSync(write)
  if (watched) closeSync(watched.input)
  const printed = gather(counter.stderr)
  // With its reader dead the program has nobody to write to, and may not notice for long. A dead
  // writer means only that the program reads no further; it may have work left.
  const onCounterDead = () => isOutput && program.kill()
  const [ended, counted] = await Promise.all([endOf(program), endOf(counter, onCounterDead)])
  const end = watched ? await watched.end : ''
  return {
    program: ended,
    counted: counted.code === 0 && end !== null ? bytesIn(await printed) : null,
    tail: end ?? '',
  }
}

/** Who passes on to our stdout what comes in, and keeps its end: null when not all of it passed. */
function watchEnd(fifo: string, bytes: number) {
  const [read, input] = openPipe(fifo)
  const [readCopy, copy] = openPipe(fifo)
  const tee = spawn('tee', ['/dev/fd/3'], { stdio: [read, 'inherit', 'inherit', copy] })
  const tail = spawn('tail', ['-c', String(bytes)], { stdio: [readCopy, 'pipe', 'inherit'] })
  for (const one of [read, readCopy, copy]) closeSync(one)
  const said = gather(tail.stdout)
  const end = Promise.all([endOf(tee), endOf(tail)]).then(async (ends) =>
    ends.every(({ code }) => code === 0) ? await said : null,
  )
  return { input, end }
}

/** Both ends of a pipe with a name; the name is gone when it returns. */
function openPipe(fifo: string): readonly [number, number] {
  const made = spawnSync('mkfifo', ['-m', '600', fifo], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`mkfifo: ${made.error?.message ?? made.stderr}`)
  // For reading and writing it opens at once; with that in hand, each end does.
  const both = openSync(fifo, 'r+')
  const read = openSync(fifo, 'r')
  const write = openSync(fifo, 'w')
  closeSync(both)
  rmSync(fifo)
  return [read, write]
}

function endOf(child: ChildProcess, onFailure: () => void = () => {}): Promise<Account['program']> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      if (code !== 0) onFailure()
      resolve({ code, signal, error: null })
    })
    child.once('error', (error) => {
      if (child.pid !== undefined) return
      onFailure()
      const why = 'code' in error ? String(error.code) : error.message
      resolve({ code: null, signal: null, error: why })
    })
  })
}

async function gather(stream: Readable | null): Promise<string> {
  let text = ''
  for await (const chunk of stream?.setEncoding('latin1') ?? []) text = (text + chunk).slice(-1000)
  return text
}

/** `1500000000 bytes (1.5 GB, 1.4 GiB) copied, …`, of GNU and of busybox. */
function bytesIn(text: string): number | null {
  const bytes = /^(\d+) bytes? /m.exec(text)?.[1]
  return bytes === undefined ? null : Number(bytes)
}

await main()
