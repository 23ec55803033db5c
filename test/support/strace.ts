import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** What a traced child did, in order. */
export interface Traced {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  /** Lines as `fsync(17</tmp/x/part>) = 0`, finished calls only. */
  readonly calls: readonly string[]
}

/** One thread of the pool, and no call but the script's own: Node writes what it compiled with an fsync. */
const ALONE = { UV_THREADPOOL_SIZE: '1', NODE_DISABLE_COMPILE_CACHE: '1' }

/**
 * Runs a script of ours under strace and gives the system calls named in `calls`, each file
 * descriptor with its path. `inject` are strace's faults, as `rename:error=EIO:when=2` or
 * `link:signal=KILL`; one pool thread alone, so that `when` counts every call of the process.
 * (Not with --seccomp-bpf: strace 6.1 then drops the signals of all but the first call.)
 */
export async function traced(
  script: readonly string[],
  calls: string,
  inject: readonly string[] = [],
): Promise<Traced> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-strace-'))
  try {
    const log = join(folder, 'log')
    const faults = inject.flatMap((fault) => ['-e', `inject=${fault}`])
    const child = spawn(
      'strace',
      [
        ...['-f', '-y', '-qq', '-s', '256', '-o', log, '-e', `trace=${calls}`],
        ...['-e', 'signal=none', ...faults, process.execPath, ...script],
      ],
      { env: { ...process.env, ...ALONE }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', (cause) => reject(new Error('strace must be installed', { cause })))
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
    const [end, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
    return { ...end, stdout, stderr, calls: joined(await readFile(log, 'utf8')) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Lines without the process id; a call that another thread interrupted is put together again. */
function joined(log: string): readonly string[] {
  const open = new Map<string, string>()
  const calls: string[] = []
  for (const line of log.split('\n')) {
    const [, pid = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    if (rest.endsWith('<unfinished ...>'))
      open.set(pid, rest.replace(/\s*<unfinished \.\.\.>$/, ''))
    else if (resumed) calls.push((open.get(pid) ?? '') + resumed[1])
    else if (rest !== '' && !rest.startsWith('+++')) calls.push(rest)
  }
  return calls
}
