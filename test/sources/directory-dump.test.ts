import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SourceFailed } from '../../src/lib/errors.ts'
import type { Source, SourceContext, SourceReport } from '../../src/sources/source.ts'
import { archiveTo } from '../contract/source.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { makeDeepPath, makeSocket, mountTmpfs, snapshotTree, text } from '../support/trees.ts'

const NEVER = new AbortController().signal
let bench: Bench

beforeEach(async () => {
  bench = await makeBench()
  await mkdir(bench.live)
})

afterEach(async () => await bench[Symbol.asyncDispose]())

async function archive(source: Source, context = bench.context): Promise<SourceReport> {
  return await archiveTo(bench.at('archive.tar'), source, context)
}

function members(): readonly string[] {
  return text('tar', ['-tf', bench.at('archive.tar')])
    .split('\n')
    .filter(Boolean)
}

/** Dumps, and meddles with the tree while tar stands still in the middle of its first large file. */
async function dumpWhile(source: Source, meddle: () => Promise<void>): Promise<SourceReport> {
  await using dump = await source.dump(bench.context, NEVER)
  if (dump.content.kind !== 'program') throw new Error('not a program')
  const { command, args, env } = dump.content.program
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  // The pipe and our buffer hold 128 KiB of the file's 8 MiB; tar waits until more is read.
  await once(child.stdout, 'readable')
  await meddle()
  child.stdout.resume()
  const [code, signal] = await closed
  const lines = stderr.split('\n').filter(Boolean)
  return await dump.finish({ command, code, signal, stderr: lines, stderrTotal: lines.length })
}

async function makeFiles(count: number): Promise<void> {
  await writeFile(bench.at('live', 'a-large'), Buffer.alloc(8 * 2 ** 20, 'x'))
  for (let file = 1; file < count; file++) await writeFile(bench.at('live', `z-${file}`), 'z')
}

describe('a dump', () => {
  it('tells how much it holds, and holds nothing secret or of the moment in its facts', async () => {
    await writeFile(bench.at('live', 'file'), 'content')
    const { facts, contentBytes } = await archive(sourceOf(bench.live, { exclude: ['/tmp/'] }))
    expect(facts).toMatchObject({
      path: bench.live,
      excludes: ['tmp'],
      leftOut: [],
      oneFileSystem: false,
      entries: 2,
      contentBytes,
      devices: [],
    })
    expect(facts.tar).toMatch(/^\d+\.\d+/)
    expect(contentBytes).toBe(Number(text('stat', ['-c%s', bench.at('archive.tar')])))
  })

  it('of an unchanged tree is the same, byte for byte', async () => {
    await makeFiles(3)
    await archive(sourceOf(bench.live))
    const first = text('sha256sum', [bench.at('archive.tar')])
    await archive(sourceOf(bench.live))
    expect(text('sha256sum', [bench.at('archive.tar')])).toBe(first)
  })

  it('follows the link that the configured path is, and none inside', async () => {
    await writeFile(bench.at('live', 'file'), 'content')
    await symlink('/etc', bench.at('live', 'etc'))
    await symlink(bench.live, bench.at('link'))
    await archive(sourceOf(bench.at('link')))
    expect(members()).toEqual(['./', './etc', './file'])
  })

  it('names a source that is missing, a file, or empty', async () => {
    await writeFile(bench.at('file'), '')
    const missing = sourceOf(bench.at('missing')).dump(bench.context, NEVER)
    await expect(missing).rejects.toThrow(`directory ${bench.at('missing')} does not exist`)
    const file = sourceOf(bench.at('file')).dump(bench.context, NEVER)
    await expect(file).rejects.toThrow(`${bench.at('file')} is not a directory`)
    const empty = sourceOf(bench.live).dump(bench.context, NEVER)
    await expect(empty).rejects.toBeInstanceOf(SourceFailed)
    await expect(empty).rejects.toThrow('nothing in it')
  })

  it('takes an empty source only where that is allowed', async () => {
    const { facts } = await archive(sourceOf(bench.live, { allow_empty: true }))
    expect(facts.entries).toBe(1)
  })

  it('fails when the excludes leave nothing of it', async () => {
    await writeFile(bench.at('live', 'file'), 'content')
    await expect(archive(sourceOf(bench.live, { exclude: ['*'] }))).rejects.toThrow('nothing in it')
  })

  it('fails without the mount that is required, and reads it once it is there', async () => {
    await writeFile(bench.at('live', 'under-the-mount'), 'x')
    const source = sourceOf(bench.live, { require_mount: true })
    await expect(archive(source)).rejects.toThrow(`nothing is mounted at ${bench.live}`)
    await using _ = await mountTmpfs(bench.live)
    await writeFile(bench.at('live', 'on-the-mount'), 'x')
    await archive(source)
    expect(members()).toEqual(['./', './on-the-mount'])
  })

  it('crosses into other file systems unless told to stay on one', async () => {
    await writeFile(bench.at('live', 'file'), 'x')
    await using _ = await mountTmpfs(bench.at('live', 'mounted'))
    await writeFile(bench.at('live', 'mounted', 'inner'), 'x')
    await archive(sourceOf(bench.live))
    expect(members()).toContain('./mounted/inner')
    const { warnings } = await archive(sourceOf(bench.live, { one_file_system: true }))
    expect(members()).not.toContain('./mounted/inner')
    expect(warnings).toEqual([])
  })

  it('leaves out what is ours when it lies inside, and our folders of earlier restores', async () => {
    for (const folder of ['data[dir]', '.holdfast-previous-x', 'sub/.a.holdfast-staging-y']) {
      await mkdir(bench.at('live', folder), { recursive: true })
      await writeFile(bench.at('live', folder, 'ours'), 'x')
    }
    await writeFile(bench.at('live', '.holdfast-notes'), 'theirs')
    const leaveOut = [bench.at('live', 'data[dir]'), bench.at('elsewhere')]
    const { facts } = await archive(sourceOf(bench.live), { ...bench.context, leaveOut })
    expect(members()).toEqual(['./', './.holdfast-notes', './sub/'])
    expect(facts.leftOut).toEqual(['data[dir]'])
  })

  it('refuses a source that lies inside what is ours', async () => {
    await writeFile(bench.at('live', 'file'), 'x')
    for (const ours of [bench.live, bench.root]) {
      const context: SourceContext = { ...bench.context, leaveOut: [ours] }
      await expect(archive(sourceOf(bench.live), context)).rejects.toThrow(/which is ours/)
    }
  })

  it('names sockets and device nodes that it cannot bring back', async () => {
    await makeFiles(2)
    await makeSocket(bench.at('live', 'sock:et'))
    text('mknod', [bench.at('live', 'nu ll'), 'c', '1', '3'])
    const { facts, warnings } = await archive(sourceOf(bench.live))
    expect(warnings).toEqual([
      '1 sockets left out: ./sock:et',
      '1 device nodes: ./nu ll; a restore leaves them out',
    ])
    expect(facts.devices).toEqual(['./nu ll'])
  })

  it('fails when a path is so long that tar cannot bring it back', async () => {
    await makeDeepPath(bench.at('live', 'deep'), 25)
    const attempt = archive(sourceOf(bench.live))
    await expect(attempt).rejects.toBeInstanceOf(SourceFailed)
    await expect(attempt).rejects.toThrow(/6 paths are longer than tar can unpack: \.\/deep\/ddd/)
  })

  it('names files that changed, shrank or vanished while being read', async () => {
    await makeFiles(50)
    const grown = await dumpWhile(sourceOf(bench.live), async () => {
      await appendFile(bench.at('live', 'a-large'), 'more')
      await rm(bench.at('live', 'z-7'))
    })
    expect(grown.warnings).toEqual([
      '1 files changed while being read: ./a-large',
      '1 files vanished before they were read: ./z-7',
      '1 folders changed while being read: .',
    ])
    const shrunk = await dumpWhile(sourceOf(bench.live), async () => {
      await truncate(bench.at('live', 'a-large'), 2 ** 20)
    })
    expect(shrunk.warnings).toEqual([
      '1 files shrank while being read, and end in zeros in the archive: ./a-large',
    ])
  })

  it('fails, naming them, when more files than declared changed', async () => {
    await makeFiles(40)
    const vanish = async () => {
      for (const file of [3, 4, 5]) await rm(bench.at('live', `z-${file}`))
    }
    const attempt = dumpWhile(sourceOf(bench.live), vanish)
    await expect(attempt).rejects.toBeInstanceOf(SourceFailed)
    await expect(attempt).rejects.toThrow(/3 of 38 entries .*changed_limit 0\.05.*\.\/z-3, \.\/z-4/)
    await makeFiles(40)
    const { warnings } = await dumpWhile(sourceOf(bench.live, { changed_limit: 0.1 }), vanish)
    expect(warnings[0]).toBe('3 files vanished before they were read: ./z-3, ./z-4, ./z-5')
  })

  it('fails when tar is killed, and when it cannot read a file', async () => {
    await makeFiles(2)
    const killed = { command: 'tar', code: null, signal: 'SIGKILL', stderr: [], stderrTotal: 0 }
    const line = 'tar: ./caf\\303\\251: Cannot open: Permission denied'
    const failed = { command: 'tar', code: 2, signal: null, stderr: [line], stderrTotal: 1 }
    for (const [exit, message] of [
      [killed, 'was ended by SIGKILL'],
      [failed, 'exit code 2: tar: ./café: Cannot open: Permission denied'],
      [null, 'was not run'],
    ] as const) {
      await using dump = await sourceOf(bench.live).dump(bench.context, NEVER)
      await expect(dump.finish(exit)).rejects.toThrow(message)
    }
  })

  it('counts what nobody saw as changed when there were too many remarks', async () => {
    await makeFiles(30)
    await using dump = await sourceOf(bench.live).dump(bench.context, NEVER)
    if (dump.content.kind === 'program') {
      const [, , ...args] = dump.content.program.args
      text('tar', ['--create', '--file=/dev/null', ...args])
    }
    const exit = { command: 'tar', code: 1, signal: null, stderr: [], stderrTotal: 5 }
    await expect(dump.finish(exit)).rejects.toThrow('5 of 31 entries')
  })

  it('leaves the tree as it was', async () => {
    await makeFiles(5)
    const before = await snapshotTree(bench.live)
    await archive(sourceOf(bench.live))
    expect(await snapshotTree(bench.live)).toEqual(before)
  })
})

describe('a directory source', () => {
  it('names the key at fault', () => {
    expect(() => sourceOf('relative/path')).toThrow(/sources\[0\]\.path: must be absolute/)
    expect(() => sourceOf(bench.live, { changed_limit: 5 })).toThrow(
      /changed_limit: must be between/,
    )
  })
})
