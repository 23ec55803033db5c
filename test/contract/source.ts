import { type SpawnOptions, spawn } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { SourceFailed } from '../../src/lib/errors.ts'
import { fileRealm } from '../../src/platform/file-realm.ts'
import type { Exit, Program } from '../../src/platform/program.ts'
import type {
  Dump,
  Realm,
  RestoreTask,
  Source,
  SourceContext,
  SourceReport,
  Staged,
  Staging,
} from '../../src/sources/source.ts'

/** One source over live data of its own, and the means to look at that data and to change it. */
export interface SourceFixture {
  readonly source: Source
  /** The same kind over something that is missing or fails: its dump, or the judgement of it, throws. */
  readonly broken: Source
  /** What a restore has to bring back, as a value that `toEqual` compares; null: of the live data. */
  contents(at: string | null): Promise<unknown>
  /** Makes the live data differ from what it was. */
  change(): Promise<void>
  /** A place to restore to that does not exist yet, or null when the kind restores in place only. */
  readonly elsewhere: string | null
  dispose(): Promise<void>
}

const NEVER = new AbortController().signal

/** Laws that every source keeps. `open` makes a fresh fixture for each of them. */
export function sourceContract(name: string, open: () => Promise<SourceFixture>): void {
  const law = (title: string, prove: (bench: Bench) => Promise<void>) =>
    it(title, async () => {
      const fixture = await open()
      const root = await mkdtemp(join(tmpdir(), 'holdfast-contract-'))
      try {
        await prove(benchOf(fixture, root))
      } finally {
        await fixture.dispose()
        await rm(root, { recursive: true, force: true })
      }
    })

  describe(`${name}: the contract of every source`, () => {
    law('gives bytes, and judges a complete copy to be sound', async ({ archive, fixture }) => {
      const { report, path } = await archive(fixture.source)
      expect((await stat(path)).size).toBeGreaterThan(0)
      expect(report.warnings).toEqual([])
      expect(JSON.parse(JSON.stringify(report.facts))).toEqual(report.facts)
    })

    law('brings back in place what was there', async ({ archive, restore, fixture }) => {
      const before = await fixture.contents(null)
      const { report, path } = await archive(fixture.source)
      await fixture.change()
      expect(await fixture.contents(null)).not.toEqual(before)
      const staged = await restore(path, { to: null, facts: report.facts })
      expect(await fixture.contents(null)).toEqual(before)
      if (staged.previous !== null) {
        expect(await realmOf(fixture.source, null).exists(staged.previous)).toBe(true)
      }
    })

    law('brings back elsewhere what was there', async ({ archive, restore, fixture }) => {
      if (fixture.elsewhere === null) return
      const before = await fixture.contents(null)
      const { report, path } = await archive(fixture.source)
      await restore(path, { to: fixture.elsewhere, facts: report.facts })
      expect(await fixture.contents(fixture.elsewhere)).toEqual(before)
      expect(await fixture.contents(null)).toEqual(before)
    })

    law('fails by its own class when it cannot be read', async ({ archive, fixture }) => {
      await expect(archive(fixture.broken)).rejects.toBeInstanceOf(SourceFailed)
    })

    law('lets go of a dump twice without harm', async ({ context, fixture }) => {
      const dump = await fixture.source.dump(context, NEVER)
      await dump[Symbol.asyncDispose]()
      await dump[Symbol.asyncDispose]()
    })

    law('says what a restore replaces, and changes nothing', async ({ archive, fixture }) => {
      const { report } = await archive(fixture.source)
      const before = await fixture.contents(null)
      const replacement = await fixture.source.describe(taskOf({ facts: report.facts }), NEVER)
      expect(replacement.to).not.toBe('')
      expect(replacement.now).not.toBe('')
      expect(await fixture.contents(null)).toEqual(before)
    })

    law('leaves the live data alone when a staging is discarded', async (bench) => {
      const { report, path } = await bench.archive(bench.fixture.source)
      await bench.fixture.change()
      const changed = await bench.fixture.contents(null)
      const task = taskOf({ facts: report.facts })
      const staging = await bench.fixture.source.stage(task, bench.context, NEVER)
      if (!staging.immediate) await staging.finish(await fill(staging, path), NEVER)
      await staging.discard()
      await staging.discard()
      expect(await bench.fixture.contents(null)).toEqual(changed)
    })
  })
}

interface Bench {
  readonly fixture: SourceFixture
  readonly context: SourceContext
  archive(source: Source): Promise<{ readonly report: SourceReport; readonly path: string }>
  restore(path: string, task: Partial<RestoreTask>): Promise<Staged>
}

function benchOf(fixture: SourceFixture, root: string): Bench {
  const context: SourceContext = { scratch: root, leaveOut: [], token: 'contract' }
  return {
    fixture,
    context,
    async archive(source) {
      const path = join(root, `archive${source.extension}`)
      const report = await archiveTo(path, source, context)
      return { report, path }
    },
    restore: (path, task) => restoreFrom(path, fixture.source, taskOf(task), context),
  }
}

/** A restore of everything, in place, of an archive without a manifest, unless `task` says otherwise. */
export function taskOf(task: Partial<RestoreTask>): RestoreTask {
  return { to: null, only: null, facts: {}, force: false, direct: false, ...task }
}

/** Writes one plain archive of `source` to the new file `path`, as `stream/` would, uncompressed. */
export async function archiveTo(
  path: string,
  source: Source,
  context: SourceContext,
): Promise<SourceReport> {
  await using dump = await source.dump(context, NEVER)
  return await dump.finish(await drain(dump, path))
}

/** Restores the plain archive at `path`, moves included, and lets go of the staging. */
export async function restoreFrom(
  path: string,
  source: Source,
  task: RestoreTask,
  context: SourceContext,
): Promise<Staged> {
  const staging = await source.stage(task, context, NEVER)
  try {
    const staged = await staging.finish(await fill(staging, path), NEVER)
    await moveAll(staged, realmOf(source, task.to))
    await staging.swapped?.()
    return staged
  } finally {
    await staging.discard()
  }
}

function realmOf(source: Source, to: string | null): Realm {
  return source.realm?.(to) ?? fileRealm
}

async function moveAll({ moves }: Staged, realm: Realm): Promise<void> {
  if (realm.renameAll) await realm.renameAll(moves)
  else for (const move of moves) await realm.rename(move)
}

/** Copies a dump's content to `path`; the exit of its program, or null for a file. */
export async function drain(dump: Dump, path: string): Promise<Exit | null> {
  if (dump.content.kind === 'file') {
    await copyFile(dump.content.path, path)
    return null
  }
  if (dump.content.kind === 'stream') {
    const far = await dump.content.open(NEVER)
    await pipeline(far.stdout, createWriteStream(path))
    return await far.exit
  }
  await using file = await open(path, 'w')
  return await runProgram(dump.content.program, ['ignore', file.fd, 'pipe'])
}

/** Feeds the file `path` to a staging's sink; the exit of its program, or null for a file. */
export async function fill(staging: Staging, path: string): Promise<Exit | null> {
  if (staging.sink.kind === 'file') {
    await copyFile(path, staging.sink.path)
    return null
  }
  if (staging.sink.kind === 'stream') {
    const far = await staging.sink.open(NEVER)
    if (!far.stdin) throw new Error('a sink that reads nothing')
    far.stdout.resume()
    await pipeline(createReadStream(path), far.stdin)
    return await far.exit
  }
  await using file = await open(path, 'r')
  return await runProgram(staging.sink.program, [file.fd, 'ignore', 'pipe'])
}

/** Runs a program to its end with these streams, stderr a pipe. */
export async function runProgram(
  program: Program,
  stdio: NonNullable<SpawnOptions['stdio']>,
): Promise<Exit> {
  const { command, args, env, cwd } = program
  const child = spawn(command, args, {
    stdio,
    env: { ...process.env, LC_ALL: 'C', ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = Promise.withResolvers<readonly [number | null, string | null]>()
  child.on('error', ended.reject).on('close', (code, signal) => ended.resolve([code, signal]))
  const [code, signal] = await ended.promise
  const stderr = text.split('\n').filter((line) => line !== '')
  return { command, code, signal, stderr, stderrTotal: stderr.length }
}
