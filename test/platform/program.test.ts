import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Interrupted, ProgramFailed, TimeLimit } from '../../src/lib/errors.ts'
import {
  type Chain,
  failureOf,
  findProgram,
  mustSucceed,
  offer,
  type Program,
  programsOnPath,
  run,
  STDERR_LINES,
  startChain,
} from '../../src/platform/program.ts'

const never = new AbortController().signal
const sh = (script: string, ...args: string[]): Program => ({
  command: 'sh',
  args: ['-c', script, 'sh', ...args],
})
const cat: Program = { command: 'cat', args: [] }

/** True while the process is there and no zombie. */
function lives(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

function output(chain: Chain): Promise<Buffer> {
  if (!chain.stdout) throw new Error('no stdout')
  return buffer(chain.stdout)
}

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-program-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('run', () => {
  it('gives back output, errors and exit code, whatever the code is', async () => {
    const done = await run(sh('cat; echo oops >&2; exit 3'), {
      timeLimit: 5000,
      input: 'hello',
      signal: never,
    })
    expect(done.stdout).toBe('hello')
    expect(done.stderr).toBe('oops')
    expect(done.exit).toMatchObject({ command: 'sh', code: 3, signal: null, stderrTotal: 1 })
    expect(() => mustSucceed(done.exit)).toThrow(/^sh ended with exit code 3: oops$/)
  })

  it('speaks the C locale, adds its own environment, and lets nobody slip in arguments', async () => {
    process.env.TAR_OPTIONS = '--nonsense'
    try {
      const program = { ...sh('echo $LC_ALL $OWN; env | grep -c ^TAR_'), env: { OWN: 'a b' } }
      const { stdout } = await run(program, { timeLimit: 5000, signal: never })
      expect(stdout).toBe('C a b\n0\n')
    } finally {
      delete process.env.TAR_OPTIONS
    }
  })

  it('does not choke on input that nobody reads', async () => {
    const input = Buffer.alloc(4 * 2 ** 20)
    const { exit } = await run(sh('exec <&-; exit 5'), { timeLimit: 5000, input, signal: never })
    expect(exit.code).toBe(5)
  })

  it('ends a program that takes too long, and one that heeds no SIGTERM', async () => {
    const file = join(root, 'stubborn')
    const stubborn = sh('trap "" TERM; echo $$ > "$1"; while :; do sleep 0.1; done', file)
    const work = run(stubborn, { timeLimit: 2_000, signal: never })
    await expect(work).rejects.toBeInstanceOf(TimeLimit)
    expect(lives(Number(await readFile(file, 'utf8')))).toBe(false)
  })

  it('ends a program that prints too much', async () => {
    const work = run({ command: 'yes', args: [] }, { timeLimit: 5000, signal: never })
    await expect(work).rejects.toThrow('yes printed more than 1.0 MiB')
  })

  it('throws the reason of an abort, before the start and after it', async () => {
    const reason = new Interrupted('told to stop')
    const early = run(cat, { timeLimit: 5000, signal: AbortSignal.abort(reason) })
    await expect(early).rejects.toBe(reason)
    const controller = new AbortController()
    const late = run(sh('sleep 60'), { timeLimit: 5000, signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    await expect(late).rejects.toBe(reason)
  })

  it('names a missing program and the package that has it', async () => {
    const options = { timeLimit: 5000, signal: never }
    const missing = { command: 'pg_dump', args: [], env: { PATH: root } }
    const error = await run(missing, options).catch((cause) => cause)
    expect(error).toBeInstanceOf(ProgramFailed)
    expect(error.message).toBe('pg_dump is not installed')
    expect(error.hint).toBe('apt-get install postgresql-client')
    await expect(run({ ...cat, cwd: join(root, 'none') }, options)).rejects.toThrow(/no directory/)
    const script = join(root, 'script')
    await writeFile(script, '#!/no/such/thing\n', { mode: 0o755 })
    await expect(run({ command: script, args: [] }, options)).rejects.toThrow(/interpreter/)
    await writeFile(join(root, 'plain'), 'x', { mode: 0o644 })
    await expect(run({ command: join(root, 'plain'), args: [] }, options)).rejects.toThrow(
      /permission denied/,
    )
    const huge = { command: 'cat', args: ['x'.repeat(3 * 2 ** 20)] }
    await expect(run(huge, options)).rejects.toThrow('cat cannot start (E2BIG)')
  })

  it('keeps the first and the last lines of endless complaints, and counts them all', async () => {
    const seen: number[] = []
    const chain = await startChain([sh('seq 1 5000 >&2; printf "%05000d" 7 >&2')], {
      stdin: null,
      signal: never,
      onStderrLine: (line, program) => seen.push(line.length + program),
    })
    chain.stdout?.resume()
    const [exit] = await chain.exits
    expect(exit?.stderrTotal).toBe(5001)
    expect(seen).toHaveLength(5001)
    expect(exit?.stderr).toHaveLength(STDERR_LINES)
    expect(exit?.stderr[0]).toBe('1')
    expect(exit?.stderr[499]).toBe('500')
    expect(exit?.stderr[500]).toBe('4502')
    expect(exit?.stderr.at(-1)).toHaveLength(2000)
  })
})

describe('startChain', () => {
  it('joins programs without reading a byte of what passes between them', async () => {
    const chain = await startChain([sh('head -c 3000000 /dev/zero'), cat, sh('wc -c')], {
      stdin: null,
      signal: never,
    })
    expect(String(await output(chain)).trim()).toBe('3000000')
    expect((await chain.exits).map(({ code }) => code)).toEqual([0, 0, 0])
  })

  it('loses nothing of an output that is read only after its end', async () => {
    const chain = await startChain([sh('head -c 90000 /dev/zero')], { stdin: null, signal: never })
    await chain.exits
    await new Promise(setImmediate)
    expect((await output(chain)).length).toBe(90_000)
  })

  it('takes a file as input and a file as output', async () => {
    await writeFile(join(root, 'in'), 'from a file')
    const [input, out] = [await open(join(root, 'in')), await open(join(root, 'out'), 'wx')]
    const chain = await startChain([cat, cat], { stdin: input.fd, stdout: out.fd, signal: never })
    expect(chain.stdout).toBeNull()
    await chain.exits
    await Promise.all([input.close(), out.close()])
    expect(await readFile(join(root, 'out'), 'utf8')).toBe('from a file')
  })

  it('tells each exit as what it was when one dies early', async () => {
    const endless: Program = { command: 'yes', args: [] }
    const chain = await startChain([endless, sh('exit 4'), cat], { stdin: null, signal: never })
    expect(String(await output(chain))).toBe('')
    const [writer, dead, reader] = await chain.exits
    // Killed by SIGPIPE, or told of a reset: the kernel's choice, by what lay unread.
    expect(writer?.signal ?? writer?.stderr.join()).toMatch(/SIGPIPE|Broken pipe|Connection reset/)
    expect([dead?.code, reader?.code]).toEqual([4, 0])
  })

  it('tells a reader that stopped early as its exit, not as a broken pipe', async () => {
    const chain = await startChain([sh('head -c 1 >/dev/null; exit 6')], {
      stdin: 'pipe',
      signal: never,
    })
    chain.stdout?.resume()
    if (!chain.stdin) throw new Error('no stdin')
    let offered = 0
    while (await offer(chain.stdin, Buffer.alloc(65536))) offered++
    expect(offered).toBeLessThan(100)
    expect((await chain.exits)[0]?.code).toBe(6)
    expect(await offer(chain.stdin, Buffer.alloc(1))).toBe(false)
  })

  it('leaves none running when one of them cannot start', async () => {
    for (const place of [0, 1, 2]) {
      const file = join(root, `pid-${place}`)
      const programs = [sh('echo $$ > "$1"; exec sleep 60', file), cat]
      programs.splice(place, 0, { command: 'holdfast-no-such-program', args: [] })
      const error = await startChain(programs, { stdin: null, signal: never }).catch((e) => e)
      expect(error.message).toBe('holdfast-no-such-program is not installed')
      const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
      if (pid > 0) expect(lives(pid)).toBe(false)
    }
  })

  it('ends everyone on an abort, grandchildren too, and tells the reader why', async () => {
    const controller = new AbortController()
    const reason = new Interrupted('told to stop')
    const file = join(root, 'grandchild')
    const chain = await startChain(
      [sh('sleep 60 & echo $! > "$1.tmp"; mv "$1.tmp" "$1"; echo up; wait', file), cat, cat],
      { stdin: null, signal: controller.signal },
    )
    const reading = (async () => {
      for await (const _ of chain.stdout ?? []) controller.abort(reason)
    })()
    await expect(reading).rejects.toBe(reason)
    await chain.exits
    expect(chain.pids.filter(lives)).toEqual([])
    expect(lives(Number(readFileSync(file, 'utf8')))).toBe(false)
  })

  it('ends everyone when told to, once or twice, running or not', async () => {
    const chain = await startChain([sh('sleep 60'), cat], { stdin: 'pipe', signal: never })
    const [first, second] = await Promise.all([chain.stop(), chain.stop()])
    expect(first).toEqual(second)
    expect(first[0]?.signal).toBe('SIGTERM')
    expect(await chain.stop()).toEqual(first)
    expect(chain.pids.filter(lives)).toEqual([])
  })

  it('does not wait for a grandchild that holds stderr open', async () => {
    const chain = await startChain([sh('sleep 20 >/dev/null & exit 0')], {
      stdin: null,
      signal: never,
    })
    chain.stdout?.resume()
    const begun = performance.now()
    expect((await chain.exits)[0]?.code).toBe(0)
    expect(performance.now() - begun).toBeLessThan(5000)
    process.kill(-(chain.pids[0] ?? 0), 'SIGKILL')
  })

  it('sees a kill from outside as a kill', async () => {
    const chain = await startChain([sh('exec sleep 60'), cat], { stdin: null, signal: never })
    process.kill(chain.pids[0] ?? 0, 'SIGKILL')
    expect(String(await output(chain))).toBe('')
    const [killed, other] = await chain.exits
    if (!killed || !other) throw new Error('exits are missing')
    expect(failureOf(killed)?.message).toBe('sh was killed by SIGKILL')
    expect(failureOf(other)).toBeNull()
  })

  it('makes every program nicer', async () => {
    const chain = await startChain([sh('exec sleep 60'), cat], {
      stdin: null,
      nice: 7,
      signal: never,
    })
    const own = getPriority(0)
    expect(chain.pids.map((pid) => getPriority(pid))).toEqual([own + 7, own + 7])
    await chain.stop()
  })

  it('leaves no listener on a signal that outlives it', async () => {
    const controller = new AbortController()
    let listeners = 0
    const add = controller.signal.addEventListener.bind(controller.signal)
    const remove = controller.signal.removeEventListener.bind(controller.signal)
    controller.signal.addEventListener = ((...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }) as typeof add
    controller.signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }) as typeof remove
    const chain = await startChain([sh('echo x')], { stdin: null, signal: controller.signal })
    if (!chain.stdout) throw new Error('no stdout')
    expect(await text(chain.stdout)).toBe('x\n')
    await chain.exits
    await expect.poll(() => listeners).toBe(0)
  })
})

describe('findProgram', () => {
  it('finds executables on PATH only, and none for a name that is not there', async () => {
    expect(await findProgram('sh', '/nowhere:/bin')).toBe('/bin/sh')
    expect(await findProgram('sh', '/nowhere')).toBeNull()
    expect(await findProgram('sh', undefined)).toMatch(/\/sh$/)
    expect(await findProgram('/etc/passwd', '/bin')).toBeNull()
    expect(await programsOnPath(['sh', 'cat', 'no-such'], '/bin')).toEqual(new Set(['sh', 'cat']))
  })
})
