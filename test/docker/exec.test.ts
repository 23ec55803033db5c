import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Attached } from '../../src/docker/attached.ts'
import type { Engine } from '../../src/docker/engine.ts'
import { type ExecOptions, runExec, startExec } from '../../src/docker/exec.ts'
import { EngineRefused, EngineUnreachable, SourceFailed, TimeLimit } from '../../src/lib/errors.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { engineAt } from './support.ts'

const { signal } = new AbortController()
const MIB = 2 ** 20

let docker: DockerEngine
let engine: Engine

beforeAll(async () => {
  docker = await startDocker()
  engine = await engineAt(docker.host)
  await docker.run('--name=app', '--init', 'debian:12', 'sleep', 'infinity')
})
afterAll(() => docker[Symbol.asyncDispose]())

function run(...argv: readonly string[]) {
  return runExec(engine, { container: 'app', argv }, { timeLimit: 60_000, signal })
}

function start(argv: readonly string[], options: Partial<ExecOptions> = {}): Promise<Attached> {
  return startExec(engine, { container: 'app', argv }, { timeLimit: null, signal, ...options })
}

/** Reads to the end; rejects when that is not an end. */
async function drain(stdout: Readable): Promise<{ readonly bytes: number; readonly sum: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of stdout as AsyncIterable<Buffer>) {
    hash.update(piece)
    bytes += piece.length
  }
  return { bytes, sum: hash.digest('hex') }
}

/** Programs of a container, as `ps` has them. */
async function programs(container = 'app'): Promise<readonly string[]> {
  return (await docker.exec(container, 'ps', '-eo', 'args')).split('\n')
}

async function untilGone(program: string): Promise<void> {
  while ((await programs()).includes(program)) await sleep(50)
}

describe('a program in a container', () => {
  it('gives its exit code, its output and its complaints apart', async () => {
    const { stdout, exit } = await run('sh', '-c', 'echo out; echo err >&2; exit 3')
    expect({ stdout, ...exit }).toEqual({
      stdout: 'out\n',
      command: 'sh in app',
      code: 3,
      signal: null,
      stderr: ['err'],
      stderrTotal: 1,
    })
    expect((await run('true')).exit.code).toBe(0)
  })

  it('is told by its code when it is not there, with words', async () => {
    const { exit } = await run('no-such-program')
    expect(exit.code).toBeGreaterThanOrEqual(126)
    expect(exit.stderr).toEqual(['the container has no such program, or cannot run it'])
  })

  it('gets its words as they are: no shell sees them', async () => {
    const odd = ['a b', '$(id)', '`id`', '"', "'", '\\', '*', '--', '', 'zwölf\n', '; rm -rf /']
    const { stdout } = await run('printf', '%s\\0', ...odd)
    expect(stdout.split('\0').slice(0, -1)).toEqual(odd)
  })

  it('has its environment, account and folder', async () => {
    const program = {
      container: 'app',
      argv: ['sh', '-c', 'echo "$WORD"; id -u; pwd'],
      env: { WORD: "it's = $HOME" },
      user: '999',
      cwd: '/var/tmp',
    }
    const { stdout } = await runExec(engine, program, { timeLimit: null, signal })
    expect(stdout).toBe("it's = $HOME\n999\n/var/tmp\n")
  })

  it('has its output unchanged, 50 MiB of any bytes, in bounded memory though the reader is slow', async () => {
    const bytes = 50 * MIB
    const make = `head -c ${bytes} /dev/urandom | tee /tmp/random; echo done >&2`
    const { stdout, exit } = await start(['sh', '-c', make])
    await once(stdout, 'readable')
    // Nothing reads: what is kept is the stream's own buffer, whatever the engine would send.
    await sleep(500)
    expect(stdout.readableLength).toBeLessThan(MIB)
    const told = await drain(stdout)
    expect((await exit).stderr).toEqual(['done'])
    const sum = (await docker.exec('app', 'sha256sum', '/tmp/random')).split(' ')[0]
    expect(told).toEqual({ bytes, sum })
  })

  it('keeps the first and the last of its complaints', async () => {
    const { exit } = await run('sh', '-c', 'seq 1 100000 >&2; exit 1')
    expect(exit.stderrTotal).toBe(100_000)
    expect(exit.stderr.length).toBe(1000)
    expect([exit.stderr[0], exit.stderr.at(-1)]).toEqual(['1', '100000'])
  })

  it('reads what is written to it, and answers after its end', async () => {
    const { stdin, stdout, exit } = await start(['sha256sum'], { stdin: 'pipe' })
    const content = Buffer.alloc(20 * MIB, 'holdfast')
    if (!stdin) throw new Error('no input')
    const [said] = await Promise.all([stdout.toArray(), pipeline(Readable.from([content]), stdin)])
    expect(Buffer.concat(said).toString()).toBe(
      `${createHash('sha256').update(content).digest('hex')}  -\n`,
    )
    expect((await exit).code).toBe(0)
  })

  it('may end before it has read everything', async () => {
    const { stdin, exit, stdout } = await start(['sh', '-c', 'head -c 10; exit 4'], {
      stdin: 'pipe',
    })
    if (!stdin) throw new Error('no input')
    const written = pipeline(Readable.from(endless()), stdin).catch((error: Error) => error)
    const [said, { code }] = await Promise.all([stdout.toArray(), exit])
    expect([Buffer.concat(said).length, code]).toEqual([10, 4])
    expect(await written).toBeInstanceOf(Error)
  })

  it('never takes the failure of what feeds it for the end of its input', async () => {
    const argv = ['sh', '-c', 'cat >/tmp/half; echo whole >/tmp/half']
    const { stdin, exit } = await start(argv, { stdin: 'pipe' })
    if (!stdin) throw new Error('no input')
    const broken = async function* () {
      yield Buffer.alloc(MIB)
      throw new Error('the archive is broken')
    }
    await expect(pipeline(Readable.from(broken()), stdin)).rejects.toThrow('the archive is broken')
    await expect(exit).rejects.toThrow('the archive is broken')
    await untilGone('cat')
    expect(await docker.exec('app', 'head', '-c', '6', '/tmp/half')).not.toBe('whole')
  })

  it('never takes it for its end either that nobody reads its answer', async () => {
    const argv = ['sh', '-c', 'echo begun; cat >/tmp/unread; echo whole >/tmp/unread']
    const { stdout, exit } = await start(argv, { stdin: 'pipe' })
    for await (const _ of stdout) break
    await expect(exit).rejects.toThrow('nobody reads what sh in app says')
    expect(await docker.exec('app', 'cat', '/tmp/unread')).toBe('')
  })
})

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(65_536)
}

describe('a program that is cut short', () => {
  it('is killed when its time is over, and with it what it started', async () => {
    const { stdout, exit } = await start(['sh', '-c', 'sleep 4711 & cat /dev/zero'], {
      timeLimit: 500,
    })
    await expect(drain(stdout)).rejects.toBeInstanceOf(TimeLimit)
    await expect(exit).rejects.toThrow('sh in app did not end within 500ms')
    expect(await programs()).not.toContain('cat /dev/zero')
    expect(await programs()).not.toContain('sleep 4711')
  })

  it('is killed by an abort, though it does not listen to SIGTERM', async () => {
    const abort = new AbortController()
    const deaf = ['sh', '-c', 'trap "" TERM; while :; do cat /dev/zero; done']
    const { stdout, exit } = await start(deaf, { signal: abort.signal })
    await once(stdout, 'readable')
    abort.abort(new Error('enough'))
    await expect(drain(stdout)).rejects.toThrow('enough')
    await expect(exit).rejects.toThrow('enough')
    await untilGone('cat /dev/zero')
  })

  it('is killed when its reader goes away', async () => {
    const { stdout, exit } = await start(['cat', '/dev/zero'])
    for await (const _ of stdout) break
    await expect(exit).rejects.toThrow()
    expect(await programs()).not.toContain('cat /dev/zero')
  })

  it('fails with the code of a killing when its container is killed', async () => {
    await docker.run('--name=doomed', 'debian:12', 'sleep', 'infinity')
    const program = { container: 'doomed', argv: ['sh', '-c', 'echo begun; exec sleep 4712'] }
    const { stdout, exit } = await startExec(engine, program, { timeLimit: null, signal })
    await once(stdout, 'readable')
    await docker.docker('kill', 'doomed')
    const told = await Promise.allSettled([drain(stdout), exit])
    const code = told[1]?.status === 'fulfilled' ? told[1].value.code : 'unproven'
    expect([137, 'unproven']).toContain(code)
    await docker.docker('rm', 'doomed')
  })

  it('fails when its container is removed', async () => {
    await docker.run('--name=doomed', 'debian:12', 'sleep', 'infinity')
    const program = { container: 'doomed', argv: ['sh', '-c', 'echo begun; exec sleep 4713'] }
    const { stdout, exit } = await startExec(engine, program, { timeLimit: null, signal })
    await once(stdout, 'readable')
    await docker.docker('rm', '--force', 'doomed')
    const told = await exit.catch((error: unknown) => error)
    const isGood = typeof told === 'object' && told !== null && 'code' in told && told.code === 0
    expect(isGood).toBe(false)
  })

  it('is refused in a container that is paused, stopped or not there', async () => {
    const program = { container: 'idle', argv: ['true'] }
    const attempt = () => runExec(engine, program, { timeLimit: null, signal })
    await expect(attempt()).rejects.toMatchObject({ status: 404 })
    await docker.run('--name=idle', '--init', 'debian:12', 'sleep', 'infinity')
    await docker.docker('pause', 'idle')
    await expect(attempt()).rejects.toBeInstanceOf(EngineRefused)
    await docker.docker('unpause', 'idle')
    await docker.docker('stop', '-t', '0', 'idle')
    await expect(attempt()).rejects.toMatchObject({ status: 409 })
    await docker.docker('rm', 'idle')
  })
})

describe('an engine that dies in the middle', () => {
  it('leaves no output that looks whole', async () => {
    const { stdout, exit } = await start(['sh', '-c', 'echo begun; exec sleep 4714'])
    const read = drain(stdout).catch((error: unknown) => error)
    await docker.kill()
    expect(await read).toBeInstanceOf(EngineUnreachable)
    await expect(exit).rejects.toMatchObject({ code: 'engine_unreachable' })
    await docker.start()
    await docker.docker('start', 'app')
  })

  it('does so too when it is back before anyone asks', async () => {
    const { stdout, exit } = await start(['sh', '-c', 'echo begun; exec sleep 4715'])
    await once(stdout, 'readable')
    await docker.kill()
    const back = docker.start()
    const read = drain(stdout).catch((error: unknown) => error)
    await back
    const error = await read
    expect(
      error instanceof EngineUnreachable ||
        error instanceof EngineRefused ||
        error instanceof SourceFailed,
    ).toBe(true)
    await expect(exit).rejects.toBe(error)
    await docker.docker('start', 'app')
  })
})
