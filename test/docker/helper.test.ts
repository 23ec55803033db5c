import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readArchive } from '../../src/docker/archive.ts'
import type { Engine } from '../../src/docker/engine.ts'
import { removeHelpers, startHelper, withShelf } from '../../src/docker/helper.ts'
import { createHelper } from '../../src/docker/helper-container.ts'
import { EngineRefused, EngineUnreachable } from '../../src/lib/errors.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { engineAt } from './support.ts'

const { signal } = new AbortController()

let docker: DockerEngine
let engine: Engine

beforeAll(async () => {
  docker = await startDocker(['debian', 'busybox'])
  engine = await engineAt(docker.host)
  await docker.docker('volume', 'create', 'notes')
  await writeFile(join(docker.volume('notes'), 'a.txt'), 'held fast')
})
afterAll(() => docker[Symbol.asyncDispose]())

afterEach(async () => {
  expect(await docker.docker('ps', '--all', '--quiet')).toBe('')
})

const plan = (...argv: readonly string[]) => ({
  image: 'debian:12',
  bindings: [{ from: 'notes', target: '/v', readOnly: true }],
  argv,
  owner: 'test',
})
const options = { timeLimit: null, signal }

describe('a container of ours', () => {
  it('runs one program over a volume, and is gone when that has ended', async () => {
    const { stdout, exit } = await startHelper(engine, plan('cat', '/v/a.txt'), options)
    expect((await buffer(stdout)).toString()).toBe('held fast')
    expect(await exit).toMatchObject({ code: 0, stderr: [] })
  })

  it('is gone after a failure too', async () => {
    const { exit, stdout } = await startHelper(engine, plan('cat', '/v/b.txt'), options)
    await buffer(stdout)
    expect(await exit).toMatchObject({ code: 1, stderr: [expect.stringContaining('No such file')] })
    await expect(startHelper(engine, plan('no-such-program'), options)).rejects.toThrow(
      'no-such-program',
    )
    const strange = { ...plan('true'), image: 'nothing:1' }
    await expect(startHelper(engine, strange, options)).rejects.toMatchObject({ status: 404 })
  })

  it('is gone after an abort', async () => {
    const abort = new AbortController()
    const own = { timeLimit: null, signal: abort.signal }
    const { stdout, exit } = await startHelper(engine, plan('cat', '/dev/zero'), own)
    await once(stdout, 'readable')
    abort.abort(new Error('enough'))
    await expect(exit).rejects.toThrow('enough')
  })

  it('neither writes where it may only read, nor has a network', async () => {
    const script = 'echo x >/v/c; ls /sys/class/net'
    const { stdout, exit } = await startHelper(engine, plan('sh', '-c', script), options)
    expect((await buffer(stdout)).toString()).toBe('lo\n')
    expect((await exit).stderr.join()).toContain('Read-only file system')
  })

  it('takes input to its end', async () => {
    const writing = {
      ...plan('sh', '-c', 'cat >/v/copy; sync'),
      bindings: [{ from: 'notes', target: '/v', readOnly: false }],
    }
    const { stdin, stdout, exit } = await startHelper(engine, writing, {
      ...options,
      stdin: 'pipe',
    })
    if (!stdin) throw new Error('no input')
    const content = Buffer.alloc(5_000_000, 'fast')
    await pipeline(Readable.from([content]), stdin)
    expect(await buffer(stdout)).toEqual(Buffer.alloc(0))
    expect((await exit).code).toBe(0)
    const check = await startHelper(engine, plan('cat', '/v/copy'), options)
    expect((await buffer(check.stdout)).equals(content)).toBe(true)
    await check.exit
  })

  it('puts nothing of its image into an empty volume, and takes any path of the machine', async () => {
    const odd = join(docker.root, "a:b, 'c")
    await mkdir(odd)
    const both = {
      ...plan('ls', '-A', '/etc', '/odd'),
      bindings: [
        { from: 'empty', target: '/etc', readOnly: false },
        { from: odd, target: '/odd', readOnly: true },
      ],
    }
    const { stdout, exit } = await startHelper(engine, both, options)
    expect((await buffer(stdout)).toString()).not.toContain('passwd')
    expect((await exit).code).toBe(0)
  })

  it('that a death has left behind is found by its owner', async () => {
    await createHelper(engine, plan('true'), { hasStdin: false, signal })
    expect(await removeHelpers(engine, 'another', signal)).toBe(0)
    expect(await removeHelpers(engine, 'test', signal)).toBe(1)
  })
})

describe('a container that never runs', () => {
  it('gives what a volume holds, without a program in it', async () => {
    await withShelf(engine, plan('none'), signal, async (container, within) => {
      const tar = await readArchive(engine, { container, path: '/v/.' }, within)
      const unpacked = spawn('tar', ['--extract', '--to-stdout', './a.txt'])
      tar.pipe(unpacked.stdin)
      expect((await buffer(unpacked.stdout)).toString()).toBe('held fast')
    })
  })

  it('is gone after a failure, and says of a path that it is not there', async () => {
    const read = withShelf(engine, plan('none'), signal, (container) =>
      readArchive(engine, { container, path: '/nowhere' }, signal),
    )
    await expect(read).rejects.toBeInstanceOf(EngineRefused)
  })

  it('is gone though something is still being read', async () => {
    const tar = await withShelf(engine, plan('none'), signal, (container, within) =>
      readArchive(engine, { container, path: '/usr/.' }, within),
    )
    await expect(buffer(tar)).rejects.toThrow()
  })

  it('gives an error, not an end, when the engine dies in the middle', async () => {
    const big = join(docker.volume('notes'), 'big')
    await writeFile(big, Buffer.alloc(64 * 2 ** 20))
    const read = withShelf(engine, plan('none'), signal, async (container) => {
      const tar = await readArchive(engine, { container, path: '/v/.' }, signal)
      await once(tar, 'readable')
      await docker.kill()
      await buffer(tar)
    })
    await expect(read).rejects.toThrow()
    await docker.start()
    expect(await removeHelpers(engine, 'test', signal)).toBe(1)
  })

  it('cannot be had of an engine that is away', async () => {
    await docker.kill()
    const made = withShelf(engine, plan('none'), signal, async () => {})
    await expect(made).rejects.toBeInstanceOf(EngineUnreachable)
    await docker.start()
  })
})
