import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { constants, createReadStream } from 'node:fs'
import {
  chmod,
  chown,
  link,
  lutimes,
  mkdir,
  open,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { walk } from '../../src/sources/tree/walk.ts'

/** What can be compared of a tree: a line for each entry, and its attributes, access lists, contents. */
export interface TreeSnapshot {
  readonly entries: readonly string[]
  readonly attributes: readonly string[]
  readonly accessLists: readonly string[]
  readonly contents: readonly string[]
}

const NEVER = new AbortController().signal

/**
 * Everything of the tree at `root` that a restore must bring back, as seen by find, getfattr and
 * getfacl: kinds, modes, owners, times to the nanosecond, sizes, link targets, which names are one
 * file, holes, extended attributes, access lists, contents.
 */
export async function snapshotTree(root: string): Promise<TreeSnapshot> {
  return {
    ...(await snapshotNames(root)),
    attributes: blocks('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], root),
    accessLists: blocks('getfacl', ['-R', '-P', '-n', '-p', '.'], root),
  }
}

/** The same without attributes and access lists, whose programs end at paths of 4096 bytes. */
export async function snapshotNames(
  root: string,
): Promise<Pick<TreeSnapshot, 'entries' | 'contents'>> {
  const format = '%P\\t%y\\t%m\\t%U:%G\\t%T@\\t%s\\t%l\\t%n\\t%i\\t%b\\0'
  const found = text('find', [root, '-printf', format]).split('\0').filter(Boolean)
  const contents: string[] = []
  for await (const { path, kind, at } of walk(root, NEVER)) {
    if (kind === 'file') contents.push(`${path} ${await hashOf(at)}`)
  }
  return { entries: withoutInodes(found), contents: contents.sort() }
}

/** Inodes become the first name of the file, blocks whether there are holes; folder sizes are left out. */
function withoutInodes(lines: readonly string[]): readonly string[] {
  const first = new Map<string, string>()
  return lines.toSorted().map((line) => {
    const [path = '', kind = '', mode, owner, time, size, target, links, inode = '', blocks] =
      line.split('\t')
    const folder = kind === 'd'
    const name = folder ? path : (first.get(inode) ?? path)
    first.set(inode, name)
    const holes = kind === 'f' && Number(blocks) * 512 < Number(size)
    const rest = folder ? [] : [size, links, holes ? 'holes' : 'full']
    return [path, kind, mode, owner, time, target, name, ...rest].join(' ')
  })
}

function blocks(command: string, args: readonly string[], cwd: string): readonly string[] {
  return text(command, args, cwd).split('\n\n').filter(Boolean).sort()
}

/** The output of a program, byte for byte. Throws when it fails. */
export function text(command: string, args: readonly string[], cwd?: string): string {
  const place = cwd === undefined ? {} : { cwd }
  return execFileSync(command, args, {
    encoding: 'latin1',
    maxBuffer: 2 ** 28,
    stdio: 'pipe',
    ...place,
  })
}

async function hashOf(path: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

/** A tree at the new path `root` with one of everything that an archive has to hold. Needs root. */
export async function makeRichTree(root: string): Promise<void> {
  const at = (...parts: string[]) => join(root, ...parts)
  await mkdir(at('etc', 'conf.d'), { recursive: true })
  await mkdir(at('empty'))
  await writeFile(at('etc', 'app.conf'), 'port = 80\n')
  await writeFile(at('etc', 'secret'), 's3cret', { mode: 0o600 })
  await chown(at('etc', 'secret'), 1234, 5678)
  await writeFile(at('run'), '#!/bin/sh\n', { mode: 0o755 })
  await chmod(at('run'), 0o6755)
  await chmod(at('empty'), 0o1777)
  await chown(at('empty'), 4321, 8765)
  await symlink('etc/app.conf', at('inner-link'))
  await symlink('nowhere', at('dangling'))
  await link(at('etc', 'app.conf'), at('etc', 'conf.d', 'same.conf'))
  await writeFile(at('sparse'), 'head')
  await truncate(at('sparse'), 50 * 2 ** 20)
  await writeFile(at('zero'), '')
  text('mkfifo', [at('pipe')])
  await makeOddNames(root)
  await makeDeepPath(at('deep'), 4)
  text('setfattr', ['-n', 'user.note', '-v', 'kept', at('etc', 'app.conf')])
  text('setfattr', ['-h', '-n', 'trusted.mark', '-v', 'kept', at('inner-link')])
  text('setfacl', ['-m', 'u:1234:rw,g:5678:r', at('run')])
  text('setfacl', ['-m', 'd:u:4321:rwx', at('etc', 'conf.d')])
  await setTimes(root)
}

async function makeOddNames(root: string): Promise<void> {
  const names = ['two words', '-dash', 'new\nline', 'quote"\\back', '*', 'ünï', 'a:b', ' ', '[x]']
  for (const name of names) await writeFile(join(root, name), `${name}\n`)
  await writeFile(Buffer.concat([Buffer.from(join(root, 'not-text-')), Buffer.from([0xff])]), 'x')
  await writeFile(join(root, `long-${'n'.repeat(245)}`), 'long')
}

/** Folders within each other, each with a name of 200 characters, and a file at the bottom. */
export async function makeDeepPath(root: string, levels: number): Promise<void> {
  await mkdir(root)
  let folder = await open(root, constants.O_DIRECTORY)
  for (let level = 0; level < levels; level++) {
    const below = `/proc/self/fd/${folder.fd}/${'d'.repeat(200)}`
    await mkdir(below)
    const next = await open(below, constants.O_DIRECTORY)
    await folder.close()
    folder = next
  }
  await writeFile(`/proc/self/fd/${folder.fd}/bottom`, 'deep')
  await folder.close()
}

/** Times before 1970, far off, and with nanoseconds that a double cannot hold. */
async function setTimes(root: string): Promise<void> {
  await utimes(join(root, 'zero'), -5, -5)
  await utimes(join(root, 'run'), 4_000_000_000, 4_000_000_000)
  await lutimes(join(root, 'dangling'), 1_000_000_000, 1_000_000_000)
  const nanos = ['-d', '2020-02-02 02:02:02.123456789 UTC']
  text('touch', [...nanos, join(root, 'etc', 'app.conf'), join(root, 'empty'), root])
}

/** Puts a socket at `path`, which no archive can hold. */
export async function makeSocket(path: string): Promise<void> {
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  // A clean close would unlink it.
  text('cp', ['-a', '--no-dereference', path, `${path}.copy`])
  server.close()
  await once(server, 'close')
  text('mv', [`${path}.copy`, path])
}

/** A tmpfs at `path`, gone with the returned handle. Needs root. */
export async function mountTmpfs(path: string, size = '32m'): Promise<AsyncDisposable> {
  await mkdir(path, { recursive: true })
  text('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'holdfast-test', path])
  return {
    [Symbol.asyncDispose]: async () => {
      text('umount', [path])
    },
  }
}

/** A program that was started and is ended with the returned handle. */
export function started(command: string, args: readonly string[]): ChildProcess & AsyncDisposable {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  return Object.assign(child, {
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  })
}
