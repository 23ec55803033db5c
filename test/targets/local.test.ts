import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { section } from '../../src/core/section.ts'
import { ConfigError, ObjectExists, Refused, TargetUnreachable } from '../../src/lib/errors.ts'
import { targetKinds } from '../../src/targets/index.ts'
import { local } from '../../src/targets/local.ts'
import type { Target } from '../../src/targets/target.ts'
import { objectsOf, targetContract, unfinishedOf } from '../contract/target.ts'
import { mountReadOnly, mountTmpfs } from '../support/mounts.ts'
import { traced } from '../support/strace.ts'
import { surroundings } from '../support/surroundings.ts'

const CHILD = join(import.meta.dirname, 'put-child.ts')
/** What the child puts: full blocks of the disk, and a rest. */
const CHILD_BYTES = 3 * 1024 * 1024 + 1000
const signal = new AbortController().signal

targetContract('local', async () => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-local-'))
  return {
    target: open(root),
    async killMidPut(key, token) {
      const child = spawn(process.execPath, [CHILD, root, key, token, 'hang'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  }
})

describe('the local target on its disk', () => {
  it('puts what is unfinished of a Hiqlite backup where Hiqlite never looks', async () => {
    const root = await folder()
    const target = open(root)
    const key = 'backup_node_1_1795140000.sqlite'
    let seen: readonly string[] = []
    async function* content() {
      yield Buffer.from('x')
      seen = await readdir(root)
      yield Buffer.from('y')
    }
    await mkdir(join(root, '.holdfast'))
    await writeFile(join(root, '.holdfast', `.${key}.tok.part`), 'left behind')

    await target.put(key, content(), { token: 't' }, signal)

    expect(seen).toEqual(['.holdfast'])
    expect(await readdir(root)).toEqual(['.holdfast', key])
    for (const prefix of ['', 'backup_node_1_', '.holdfast/backup_node_1_']) {
      const left = await unfinishedOf(target, prefix, signal)
      if (prefix !== 'backup_node_1_') expect(left).toMatchObject([{ key, token: 'tok' }])
    }
    const [left] = await unfinishedOf(target, '.holdfast/', signal)
    if (left) await target.abort(left, signal)
    expect(await unfinishedOf(target, '', signal)).toEqual([])
  })

  it('is in the registry under its own word', async () => {
    expect(await targetKinds.get('local')?.()).toBe(local)
    expect(local).toMatchObject({ kind: 'local', offHost: false })
  })

  it('syncs the file before it gets its name, and its folder after', async () => {
    const root = await folder()
    const run = await traced([CHILD, root, 'acme/db.tar', 'tok'], CALLS)
    expect(run.stdout).toBe('stored\n')

    const part = `${root}/acme/.db.tar.tok.part`
    const done = run.calls.filter(
      (call) => call.includes(root) && !call.includes(' = -1 ') && !call.includes('O_RDONLY'),
    )
    expect(done.map((call) => told(call, root))).toEqual([
      'mkdir acme',
      'fsync .', // the name of the new folder
      'openat acme/.db.tar.tok.part',
      'openat acme/.db.tar.tok.part', // once more, to write past the page cache
      'fsync acme/.db.tar.tok.part',
      'fsync .', // once a process: a folder made by one that died may not be on the disk
      'link acme/.db.tar.tok.part acme/db.tar',
      'unlink acme/.db.tar.tok.part',
      'fsync acme',
    ])
    expect(existsSync(part)).toBe(false)
  })

  it('writes past the page cache, and through it where the disk refuses', async () => {
    const expected = Buffer.concat([
      ...Array.from({ length: 6 }, (_, piece) => Buffer.alloc(512 * 1024, piece)),
      Buffer.alloc(1000, 6),
    ])
    const written: string[][] = []
    for (const faults of [[], ['pwrite64:error=EINVAL:when=1']]) {
      const root = await folder()
      const run = await traced([CHILD, root, 'db.tar', 'tok'], `${CALLS},pwrite64`, faults)
      expect(run.stdout).toBe('stored\n')
      expect(run.calls.some((call) => call.includes('O_DIRECT'))).toBe(true)
      expect((await readFile(join(root, 'db.tar'))).equals(expected)).toBe(true)
      const writes = run.calls.filter((call) => call.startsWith('pwrite64') && call.includes(root))
      written.push(writes.map((call) => /, (\d+), (\d+)\) = /.exec(call)?.[2] ?? ''))
    }
    const MIB = 1024 * 1024
    expect(written).toEqual([
      ['0', `${MIB}`, `${2 * MIB}`, `${3 * MIB}`],
      ['0', `${MIB}`, `${2 * MIB}`, '0', `${3 * MIB}`],
    ])
  })

  it('counts no object whose file or folder could not be synced', async () => {
    for (const fault of ['fsync:error=EIO:when=2', 'fsync:error=EIO:when=4']) {
      const root = await folder()
      const run = await traced([CHILD, root, 'acme/db.tar', 'tok'], CALLS, [fault])

      expect(run.stdout).toContain('TargetUnreachable: cannot write acme/db.tar')
      expect(run.stdout).toContain('the disk reports an error')
      expect(await keys(open(root))).toEqual([])
      expect(await readdir(root)).toEqual([])
    }
  })

  it('is never left with half an object, wherever a put is killed', async () => {
    const kills = [
      ...['mkdir:signal=KILL:when=1', 'fsync:signal=KILL:when=1', 'pwrite64:signal=KILL:when=2'],
      ...['fsync:signal=KILL:when=2', 'link:signal=KILL:when=1', 'unlink:signal=KILL:when=1'],
      'fsync:signal=KILL:when=4',
    ]
    const whole: boolean[] = []
    for (const kill of kills) {
      const root = await folder()
      const run = await traced([CHILD, root, 'acme/db.tar', 'tok'], `${CALLS},pwrite64`, [kill])
      expect(run.stdout, kill).toBe('')

      const object = await open(root).stat('acme/db.tar', signal)
      whole.push(object !== null)
      if (object) expect(object.bytes, kill).toBe(CHILD_BYTES)
      for (const unfinished of await unfinishedOf(open(root), '', signal)) {
        expect(unfinished).toMatchObject({ key: 'acme/db.tar', token: 'tok' })
        await open(root).abort(unfinished, signal)
      }
      const left = await readdir(root, { recursive: true })
      expect(
        left.filter((name) => name.endsWith('.part')),
        kill,
      ).toEqual([])
    }
    expect(whole).toContain(true)
    expect(whole).toContain(false)
  })

  it('never overwrites where the file system has no hard links', async () => {
    const root = await folder()
    const noLinks = ['link:error=EPERM']

    const first = await traced([CHILD, root, 'a/b', 'one'], CALLS, noLinks)
    const bytes = await readFile(join(root, 'a/b'))
    const second = await traced([CHILD, root, 'a/b', 'two'], CALLS, noLinks)

    expect(first.stdout).toBe('stored\n')
    expect(second.stdout).toContain('ObjectExists')
    expect(bytes.length).toBe(CHILD_BYTES)
    expect(await readdir(join(root, 'a'))).toEqual(['b'])
  })

  it('fails clearly on a full disk, keeps the old objects and leaves no part', async () => {
    await using disk = await mountTmpfs('4m')
    const target = open(disk.path)
    await target.put('old', body(1024 * 1024), { token: 't' }, signal)

    const failure = await failureOf(
      target.put('new/big', body(8 * 1024 * 1024), { token: 't' }, signal),
    )

    expect(failure).toBeInstanceOf(TargetUnreachable)
    expect(failure.message).toBe(`cannot write new/big in ${disk.path}: no space is left`)
    expect(failure.hint).toContain(disk.path)
    expect(await readdir(disk.path, { recursive: true })).toEqual(['old'])
    expect((await stat(join(disk.path, 'old'))).size).toBe(1024 * 1024)
    await target.put('new/small', body(1024 * 1024), { token: 't' }, signal)
  })

  it('says so when it is mounted read-only, and still gives what it has', async () => {
    const root = await folder()
    await open(root).put('a/b', body(10), { token: 't' }, signal)
    await using disk = await mountReadOnly(root)
    const target = open(disk.path)

    const put = await failureOf(target.put('a/c', body(10), { token: 't' }, signal))
    const remove = await failureOf(target.remove(['a/b'], signal))

    expect(put).toBeInstanceOf(TargetUnreachable)
    expect(put.message).toContain(`${disk.path}: it is mounted read-only`)
    expect(put.hint).toContain('remount,rw')
    expect(remove).toBeInstanceOf(TargetUnreachable)
    expect(await keys(target)).toEqual(['a/b'])
  })

  it('says so when its path is a file, leads nowhere, or has no parent', async () => {
    const root = await folder()
    await writeFile(join(root, 'file'), 'x')
    await symlink(join(root, 'gone'), join(root, 'dangling'))
    const cases: readonly (readonly [string, string])[] = [
      ['file', 'not a directory'],
      ['file/below', 'not a directory'],
      ['dangling', 'a link that leads nowhere'],
      ['missing/parent', `${root}/missing does not exist`],
    ]
    for (const [path, why] of cases) {
      const target = open(join(root, path))
      for (const attempt of [
        () => target.put('key', body(1), { token: 't' }, signal),
        () => target.get('key', 0, signal),
        () => target.stat('key', signal),
        () => target.remove(['key'], signal),
        () => target.free(signal),
        () => keys(target),
      ]) {
        const failure = await failureOf(attempt())
        expect(failure, path).toBeInstanceOf(TargetUnreachable)
        expect(failure.message).toContain(why)
        expect(failure.message).toContain(join(root, path))
        expect(failure.hint).not.toBeNull()
      }
    }
  })

  it('makes its own folder, closed to others, at the first put and not before', async () => {
    const root = join(await folder(), 'backups')
    const target = open(root)

    expect(await keys(target)).toEqual([])
    expect(await target.free(signal)).toBeGreaterThan(0)
    await target.remove(['a/b'], signal)
    expect(existsSync(root)).toBe(false)
    await target.put('acme/db', body(10), { token: 't' }, signal)

    for (const [path, mode] of [
      [root, 0o700],
      [join(root, 'acme'), 0o700],
      [join(root, 'acme/db'), 0o600],
    ] as const) {
      expect((await stat(path)).mode & 0o777).toBe(mode)
    }
  })

  it('takes the first puts of several jobs at once, and looks at it meanwhile', async () => {
    for (let round = 0; round < 30; round++) {
      const root = join(await folder(), 'new')
      const looks = Array.from({ length: 6 }, async () => {
        for (let look = 0; look < 10; look++) await open(root).stat('a', signal)
      })
      const puts = ['a', 'b', 'c', 'd'].map((key) =>
        open(root).put(key, body(10), { token: key }, signal),
      )
      await Promise.all([...puts, ...looks])
      expect(await keys(open(root))).toEqual(['a', 'b', 'c', 'd'])
    }
  })

  it('does not take an unmounted folder for its disk when require_mount is set', async () => {
    const root = await folder()
    await using disk = await mountTmpfs('1m')
    const unmounted = open(root, { require_mount: true })
    const mounted = open(disk.path, { require_mount: true })

    for (const attempt of [
      () => unmounted.put('key', body(1), { token: 't' }, signal),
      () => unmounted.stat('key', signal),
      () => unmounted.remove(['key'], signal),
      () => keys(unmounted),
    ]) {
      const failure = await failureOf(attempt())
      expect(failure).toBeInstanceOf(TargetUnreachable)
      expect(failure.message).toContain('nothing is mounted there')
    }
    expect(await readdir(root)).toEqual([])
    await mounted.put('key', body(1), { token: 't' }, signal)
    expect(await keys(mounted)).toEqual(['key'])
  })

  it('refuses a key whose folder is a link that leads out, and lists nothing through links', async () => {
    const root = await folder()
    const outside = await folder()
    await writeFile(join(outside, 'secret'), 'secret')
    await symlink(outside, join(root, 'out'))
    await symlink(join(outside, 'secret'), join(root, 'link'))
    const target = open(root)

    for (const attempt of [
      () => target.put('out/new', body(1), { token: 't' }, signal),
      () => target.put('out/deep/new', body(1), { token: 't' }, signal),
      () => target.get('out/secret', 0, signal),
      () => target.stat('out/secret', signal),
      () => target.remove(['out/secret'], signal),
      () => target.abort({ key: 'out/secret', token: 't', bytes: 0 as never }, signal),
      () => keys(target, 'out/'),
    ]) {
      const failure = await failureOf(attempt())
      expect(failure).toBeInstanceOf(Refused)
      expect(failure.message).toContain('symbolic link')
    }
    expect(await keys(target)).toEqual([])
    expect(await target.stat('link', signal)).toBeNull()
    await target.remove(['link'], signal)
    expect(await readdir(outside)).toEqual(['secret'])
    expect((await readdir(root)).sort()).toEqual(['link', 'out'])
  })

  it('works when the root itself is reached through a link', async () => {
    const real = await folder()
    const root = join(await folder(), 'link')
    await symlink(real, root)

    await open(root).put('a/b', body(1), { token: 't' }, signal)

    expect(await keys(open(root))).toEqual(['a/b'])
  })

  it('removes the folders that a removed object leaves empty, never others and never the root', async () => {
    const root = await folder()
    const target = open(root)
    await target.put('acme/shop/db/1', body(1), { token: 't' }, signal)
    await target.put('acme/blog/db/1', body(1), { token: 't' }, signal)
    await mkdir(join(root, 'acme/blog/foreign'))

    await target.remove(['acme/shop/db/1'], signal)
    expect(await readdir(join(root, 'acme'))).toEqual(['blog'])
    await target.remove(['acme/blog/db/1'], signal)
    expect(await readdir(join(root, 'acme/blog'))).toEqual(['foreign'])
    await rm(join(root, 'acme'), { recursive: true })
    await target.put('only', body(1), { token: 't' }, signal)
    await target.remove(['only'], signal)

    expect(await readdir(root)).toEqual([])
  })

  it('lists a foreign file beside ours, and no part, link, folder, socket or lost+found', async () => {
    const root = await folder()
    const target = open(root)
    await target.put('acme/db', body(3), { token: 't' }, signal)
    await writeFile(join(root, 'acme/.foreign.part'), 'x')
    await writeFile(join(root, 'acme/.db2.token.part'), 'x')
    await link(join(root, 'acme/db'), join(root, 'acme/.db.token.part'))

    expect((await keys(target)).sort()).toEqual(['acme/.foreign.part', 'acme/db'])
    const unfinished = await unfinishedOf(target, '', signal)
    expect(unfinished.toSorted((a, b) => a.bytes - b.bytes)).toEqual([
      { key: 'acme/db2', token: 'token', bytes: 1 },
      { key: 'acme/db', token: 'token', bytes: 3 },
    ])
    await expect(target.put('a/.x.y.part', body(1), { token: 't' }, signal)).rejects.toBeInstanceOf(
      Refused,
    )
  })

  it('does not let a second put of one token into the first one’s file', async () => {
    const root = await folder()
    const target = open(root)
    await writeFile(join(root, '.db.tok.part'), 'being written')

    await expect(target.put('db', body(1), { token: 'tok' }, signal)).rejects.toBeInstanceOf(
      Refused,
    )
    await expect(target.put('db', body(1), { token: '' }, signal)).rejects.toBeInstanceOf(Refused)

    expect(await readFile(join(root, '.db.tok.part'), 'utf8')).toBe('being written')
  })

  it('refuses a key below an object', async () => {
    const target = open(await folder())
    await target.put('acme', body(1), { token: 't' }, signal)

    for (const key of ['acme/db', 'acme/shop/db']) {
      const failure = await failureOf(target.put(key, body(1), { token: 't' }, signal))
      expect(failure).toBeInstanceOf(Refused)
      expect(failure.message).toContain('is an object, not a folder')
    }
    expect(await keys(target)).toEqual(['acme'])
  })

  it('takes no more from the body than the disk keeps up with', async () => {
    const target = open(await folder())
    let given = 0
    async function* endless() {
      for (; given < 200; given++) yield Buffer.alloc(1024 * 1024)
    }
    const before = process.memoryUsage.rss()
    await target.put('large', endless(), { token: 't' }, signal)
    expect(given).toBe(200)
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024)
  })

  it('is refused by name when ALLOW_LOCAL_BACKUPS forbids it, and for a path that is not absolute', () => {
    const configure = (path: string, allowLocal: boolean) => () =>
      local.configure(section('targets.nas', { path }), surroundings({ allowLocal }))

    expect(configure('/srv/x', false)).toThrow(ConfigError)
    expect(configure('/srv/x', false)).toThrow('ALLOW_LOCAL_BACKUPS=false')
    expect(configure('/srv/x', false)).toThrow('targets.nas')
    expect(configure('backups', true)).toThrow('targets.nas.path: must be an absolute path')
    expect(configure('/', true)).toThrow(ConfigError)
    expect(() => local.configure(section('targets.nas', {}), surroundings())).toThrow(
      'targets.nas.path: is missing',
    )
  })

  it('keeps the first object when a put of another process wins the race', async () => {
    const root = await folder()
    const target = open(root)
    async function* slow() {
      yield Buffer.from('mine')
      await writeFile(join(root, 'key'), 'theirs')
    }

    await expect(target.put('key', slow(), { token: 't' }, signal)).rejects.toBeInstanceOf(
      ObjectExists,
    )

    expect(await readFile(join(root, 'key'), 'utf8')).toBe('theirs')
    expect(await readdir(root)).toEqual(['key'])
  })

  it('lists what an unreadable folder hides as an error, not as nothing', async () => {
    const root = await folder()
    await open(root).put('acme/db', body(1), { token: 't' }, signal)
    await chmod(root, 0o755)
    const script = `
      const { local } = await import(${JSON.stringify(import.meta.resolve('../../src/targets/local.ts'))})
      const { section } = await import(${JSON.stringify(import.meta.resolve('../../src/core/section.ts'))})
      process.setgid(65534); process.setuid(65534)
      const target = local.configure(section('targets.x', { path: process.argv[1] }), { allowLocal: true })
      const signal = new AbortController().signal
      try { for await (const one of target.list('', signal)) console.log(one) } catch (error) { console.log(error.message) }
    `
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, root])
    let output = ''
    for await (const piece of child.stdout) output += piece

    expect(output).toContain('permission is denied')
  })
})

const CALLS = 'fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,openat,mkdir,rmdir'

/** `fsync(17</tmp/root/acme>) = 0` → `fsync acme`, paths from the root on. */
function told(call: string, root: string): string {
  const [, name = '', args = ''] = /^(\w+)\((.*)\) += /.exec(call) ?? []
  const paths = args.replace(/^AT_FDCWD<[^>]*>/, '').match(/(?<=["<])\/[^">]*(?=[">])/g) ?? []
  return [name, ...paths.map((path) => path.slice(root.length + 1) || '.')].join(' ')
}

function open(path: string, options: Record<string, boolean> = {}): Target {
  return local.configure(section('targets.test', { path, ...options }), surroundings())
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-local-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

async function* body(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536), 1)
}

async function keys(target: Target, prefix = ''): Promise<string[]> {
  return (await objectsOf(target, prefix, signal)).map(({ key }) => key)
}

async function failureOf(attempt: Promise<unknown>): Promise<TargetUnreachable> {
  return attempt.then(
    () => expect.unreachable('it succeeded'),
    (error) => error,
  )
}
