import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import { ConfigError, ObjectRetained, Refused, TargetUnreachable } from '../../src/lib/errors.ts'
import { targetKinds } from '../../src/targets/index.ts'
import { ssh } from '../../src/targets/ssh/ssh.ts'
import type { Target } from '../../src/targets/target.ts'
import { objectsOf, unfinishedOf } from '../contract/target.ts'
import { type Sshd, startSshd } from '../services/sshd.ts'
import { mountReadOnly, mountTmpfs } from '../support/mounts.ts'
import { type Direction, startProxy } from '../support/proxy.ts'
import { surroundings } from '../support/surroundings.ts'
import { body, folder, openSsh } from './ssh-support.ts'

const CHILD = join(import.meta.dirname, 'ssh-child.ts')
const MIB = 1024 * 1024
const signal = new AbortController().signal
const putting = { token: 't' }
let sshd: Sshd

beforeAll(async () => {
  sshd = await startSshd()
})
afterAll(() => sshd[Symbol.asyncDispose]())

/** A target on the server or behind a proxy, in a folder of the test's own, that holds a foreign file. */
async function place(port = sshd.port): Promise<{ path: string; target: Target }> {
  const [path, dataDir] = [await folder(), await folder()]
  await mkdir(join(path, 'acme'))
  await writeFile(join(path, 'acme', 'foreign'), 'foreign')
  return { path, target: openSsh(sshd, { path, dataDir, block: { port } }) }
}

/** What is wrong, after at most so many milliseconds. */
async function failure(work: Promise<unknown>, within = 15_000): Promise<TargetUnreachable> {
  const began = performance.now()
  const error = await work.then(
    () => {
      throw new Error('it succeeded')
    },
    (error) => error,
  )
  expect(performance.now() - began).toBeLessThan(within)
  return error
}

describe('an SSH target', () => {
  it('is in the registry under its own word, and off this host', async () => {
    expect(await targetKinds.get('ssh')?.()).toBe(ssh)
    expect(ssh).toMatchObject({ kind: 'ssh', offHost: true })
  })

  it('is refused by name when ALLOW_LOCAL_BACKUPS forbids it, and for what is missing', () => {
    const block = { host: 'h', username: 'u', path: '/x' }
    const configure = (over: object, allowLocal = true) => {
      const options = { ...block, ...over }
      return () => ssh.configure(section('targets.nas', options), surroundings({ allowLocal }))
    }
    expect(configure({}, false)).toThrow(ConfigError)
    expect(configure({}, false)).toThrow('ALLOW_LOCAL_BACKUPS=false')
    expect(configure({ host: null })).toThrow('targets.nas.host: is missing')
    expect(configure({ path: 'a\0b' })).toThrow('targets.nas.path: must not hold a NUL')
    const both = { host_key: `SHA256:${'a'.repeat(43)}`, known_hosts_file: '/x' }
    expect(configure(both)).toThrow('targets.nas.known_hosts_file: says what host_key says')
  })

  it('leaves foreign files alone, and neither follows nor removes links', async () => {
    const { path, target } = await place()
    const outside = await folder()
    await writeFile(join(outside, 'secret'), 'secret')
    await symlink(outside, join(path, 'away'))
    await symlink(join(outside, 'secret'), join(path, 'acme', 'link'))

    expect((await objectsOf(target, '', signal)).map(({ key }) => key)).toEqual(['acme/foreign'])
    expect(await target.stat('acme/link', signal)).toBeNull()
    for (const refused of [
      () => target.put('away/x', body(1), putting, signal),
      () => target.get('away/secret', 0, signal),
      () => target.remove(['away/secret'], signal),
    ]) {
      await expect(refused()).rejects.toBeInstanceOf(Refused)
    }
    await target.remove(['acme/link'], signal)
    expect(await readdir(join(path, 'acme'))).toEqual(['foreign', 'link'])
    expect(await readdir(outside)).toEqual(['secret'])
  })

  it('makes its folder and those above it, and takes a path below the home', async () => {
    const deep = join(await folder(), 'a', 'b')
    const target = openSsh(sshd, { path: deep, dataDir: await folder() })
    await target.put('x/y', body(3), putting, signal)
    expect(await readFile(join(deep, 'x', 'y'), 'utf8')).toBe('xxx')
    await target.remove(['x/y'], signal)
    expect(await readdir(deep)).toEqual([])
  })

  it('says that a disk is full, or will be, and leaves nothing behind', async () => {
    await using disk = await mountTmpfs('4m')
    const target = openSsh(sshd, { path: disk.path, dataDir: await folder() })
    expect(await target.free(signal)).toBe(4 * MIB)

    const full = await failure(target.put('a/b', body(8 * MIB), putting, signal))
    expect(full).toBeInstanceOf(TargetUnreachable)
    expect(full.message).toContain('cannot write a/b on ')
    expect(full.message).toContain('no space is left')
    expect(full.hint).toContain('df -h')
    expect(await readdir(disk.path)).toEqual([])

    const early = target.put('a/b', body(1), { ...putting, expected: 8 * MIB }, signal)
    expect((await failure(early)).message).toContain('8.0 MiB are expected, 4.0 MiB are free')
    expect(await readdir(disk.path)).toEqual([])
    await target.put('a/b', body(MIB), { ...putting, expected: MIB }, signal)
  })

  it('says that a disk is read-only, and keeps what is on it', async () => {
    const { path } = await place()
    await using disk = await mountReadOnly(path)
    const target = openSsh(sshd, { path: disk.path, dataDir: await folder() })
    for (const work of [
      () => target.put('acme/new', body(1), putting, signal),
      () => target.put('other/new', body(1), putting, signal),
      () => target.remove(['acme/foreign'], signal),
    ]) {
      const error = await failure(work())
      expect(error).toBeInstanceOf(TargetUnreachable)
      expect(error.message).toContain('read-only')
    }
    expect(await readdir(path, { recursive: true })).toEqual(['acme', 'acme/foreign'])
  })

  it('does without what its server may not offer, and tells what it may not remove', async () => {
    const denied = 'ForceCommand internal-sftp -P fsync,statvfs,limits,posix-rename,remove'
    await using poor = await startSshd({ lines: [denied] })
    const path = await folder()
    await writeFile(join(path, 'kept'), 'kept')
    const target = openSsh(poor, { path, dataDir: await folder() })

    expect(await target.free(signal)).toBeNull()
    await target.put('a/b', body(MIB), { ...putting, expected: MIB }, signal)
    expect((await buffer(await target.get('a/b', 0, signal))).length).toBe(MIB)
    const retained = await target.remove(['kept', 'a/b', 'missing'], signal)
    expect([...retained.keys()].sort()).toEqual(['a/b', 'kept'])
    expect(retained.get('kept')).toBeInstanceOf(ObjectRetained)
    expect(await readdir(path)).toEqual(['a', 'kept'])
  })

  it('does not keep a process alive that has nothing more to do', async () => {
    const { port, username, keys } = sshd
    const block = {
      host: '127.0.0.1',
      port,
      username,
      path: await folder(),
      private_key: keys.plain,
    }
    const args = [CHILD, JSON.stringify(block), await folder(), 'put', 'a', 't']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    const done = performance.now()
    expect((await once(child, 'exit'))[0]).toBe(0)
    expect(performance.now() - done).toBeLessThan(10_000)
  })
})

describe('an SSH target whose connection fails', () => {
  it('says what nobody answers, and who is not there', async () => {
    const { target } = await place(1)
    const error = await failure(target.stat('a', signal))
    expect(error).toBeInstanceOf(TargetUnreachable)
    expect(error.message).toMatch(
      /^cannot connect to .*@127.0.0.1 port 1:.*: nothing listens there$/,
    )
  })

  it('never has half an object or a forgotten one, wherever an upload is cut', async () => {
    const whole = await passing('put')
    for (const [direction, total] of Object.entries(whole) as [Direction, number][]) {
      const ends: string[] = []
      for (const at of cutsOf(total)) {
        await using proxy = await startProxy(sshd.port)
        const { path, target } = await place(proxy.port)
        proxy.cutAfter(direction, at)
        const end = await within(target.put('acme/db', body(MIB), putting, signal))
        ends.push(end)

        const left = (await readdir(path, { recursive: true })).sort()
        const foreign = ['acme', 'acme/foreign']
        expect(left, `${direction} ${at}`).toEqual(
          end === 'done' ? ['acme', 'acme/db', 'acme/foreign'] : foreign,
        )
        if (end === 'done') expect((await stat(join(path, 'acme/db'))).size).toBe(MIB)
      }
      expect(ends).toContain('done')
      expect(ends).toContain('cannot write acme/db')
      expect(ends).toContain('cannot connect to')
    }
  })

  it('never gives less than the object, wherever a download is cut', async () => {
    const content = randomBytes(MIB)
    const whole = await passing('get', content)
    const ends: string[] = []
    for (const at of cutsOf(whole.down)) {
      await using proxy = await startProxy(sshd.port)
      const { path, target } = await place(proxy.port)
      await writeFile(join(path, 'object'), content)
      proxy.cutAfter('down', at)
      const reading = async () => {
        const read = await buffer(await target.get('object', 0, signal))
        expect(read.equals(content)).toBe(true)
      }
      ends.push(await within(reading()))
    }
    expect(ends).toContain('done')
    expect(ends).toContain('cannot read object')
  })

  it('ends an upload to a host that is gone, and reports what is left as unfinished', async () => {
    await using proxy = await startProxy(sshd.port)
    const { path, target } = await place(proxy.port)
    async function* cutShort() {
      yield* body(3 * MIB)
      proxy.die()
      yield* body(MIB)
    }
    const error = await failure(target.put('acme/db', cutShort(), putting, signal))
    expect(error.message).toContain('cannot write acme/db on ')
    const direct = openSsh(sshd, { path, dataDir: await folder() })
    expect(await unfinishedOf(direct, '', signal)).toEqual([
      { key: 'acme/db', token: 't', bytes: expect.any(Number) },
    ])
    expect(await direct.stat('acme/db', signal)).toBeNull()
  })

  it('ends in time when the host falls silent, or the way to it', async () => {
    for (const silence of ['way', 'host'] as const) {
      await using server = await startSshd()
      await using proxy = await startProxy(server.port)
      const [path, dataDir] = [await folder(), await folder()]
      const target = openSsh(server, { path, dataDir, block: { port: proxy.port } })
      await target.put('object', body(MIB), putting, signal)
      const stream = await target.get('object', 0, signal)
      if (silence === 'way') proxy.stall()
      else for (const pid of server.pids()) process.kill(pid, 'SIGSTOP')

      // The reading has a connection; the others begin with one of their own.
      const [reading, ...others] = await Promise.all([
        failure(buffer(stream)),
        failure(target.put('other', body(8 * MIB), putting, signal)),
        failure(target.stat('object', signal)),
      ])

      expect(reading, silence).toBeInstanceOf(TargetUnreachable)
      expect(reading.message).toContain('the host has not answered for 0.8 s')
      for (const error of others) {
        expect(error, silence).toBeInstanceOf(TargetUnreachable)
        expect(error.message).toContain('it did not answer within 3 s')
      }
    }
  })

  it('ends in time when only the SFTP server falls silent, in an upload too', async () => {
    await using server = await startSshd()
    const [path, dataDir] = [await folder(), await folder()]
    const target = openSsh(server, { path, dataDir })
    async function* silenced() {
      yield* body(MIB)
      process.kill(server.pids().at(-1) ?? 0, 'SIGSTOP')
      yield* body(16 * MIB)
    }
    const error = await failure(target.put('acme/db', silenced(), putting, signal))
    expect(error).toBeInstanceOf(TargetUnreachable)
    expect(error.message).toContain('its SFTP server has not answered for 1.5 s')
    expect(await objectsOf(target, '', signal)).toEqual([])
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })

  it('works again after its connection was cut while nobody used it', async () => {
    await using proxy = await startProxy(sshd.port)
    const { target } = await place(proxy.port)
    await target.put('a', body(1), putting, signal)
    proxy.cutAfter('down', 0)
    await failure(target.stat('a', signal))
    expect(await target.stat('a', signal)).toMatchObject({ bytes: 1 })
  })
})

/** How it ended, in the words that an error begins with. */
async function within(work: Promise<unknown>): Promise<string> {
  const began = performance.now()
  const end = await work.then(
    () => 'done',
    (error) => {
      expect(error).toBeInstanceOf(TargetUnreachable)
      return /^cannot (connect to|\w+ \S+)/.exec(error.message)?.[0] ?? error.message
    },
  )
  expect(performance.now() - began).toBeLessThan(15_000)
  return end
}

/** Bytes that pass in each direction when nothing is cut. */
async function passing(verb: 'put' | 'get', content = Buffer.alloc(0)) {
  await using proxy = await startProxy(sshd.port)
  const { path, target } = await place(proxy.port)
  await writeFile(join(path, 'object'), content)
  if (verb === 'put') await target.put('acme/db', body(MIB), putting, signal)
  else await buffer(await target.get('object', 0, signal))
  return { up: proxy.passed('up'), down: proxy.passed('down') }
}

/** Places all over so many bytes, densest at the end, where a put gets its name; and one beyond. */
function cutsOf(total: number): readonly number[] {
  const spread = Array.from({ length: 5 }, (_, index) => Math.floor((total * index) / 5))
  const last = [1, 40, 100, 160, 200, 240, 280, 340, 400].map((back) => total - back)
  return [0, 1000, 2000, ...spread, ...last, total * 3]
}
