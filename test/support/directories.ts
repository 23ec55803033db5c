import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { SourceFacts } from '../../src/core/manifest.ts'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { directory } from '../../src/sources/directory.ts'
import type { RestoreTask, Source, SourceContext, Staged } from '../../src/sources/source.ts'
import { archiveTo, restoreFrom, taskOf } from '../contract/source.ts'
import { text } from './trees.ts'

type Files = Readonly<Record<string, string>>

/** A folder for one test, with a scratch folder beside it; removed with all in it, however deep. */
export interface Bench extends AsyncDisposable {
  readonly root: string
  /** The folder that is backed up; not made. */
  readonly live: string
  readonly context: SourceContext
  at(...parts: readonly string[]): string
  /** Writes files by their path, `live` being their root unless told. */
  write(files: Files, root?: string): Promise<void>
  /** Every file with its content, by its path. */
  read(root?: string): Promise<Files>
  /** Archives into `archive.tar`; the facts for the manifest. */
  archive(source: Source, context?: SourceContext): Promise<SourceFacts>
  /** Restores `archive.tar`, under the token `token2` unless told. */
  restore(source: Source, task: Partial<RestoreTask>, context?: SourceContext): Promise<Staged>
}

export async function makeBench(): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-directory-'))
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const live = join(root, 'live')
  const context: SourceContext = { scratch, leaveOut: [], token: 'token1' }
  const path = join(root, 'archive.tar')
  return {
    root,
    live,
    context,
    at: (...parts) => join(root, ...parts),
    write: (files, at = live) => writeFiles(files, at),
    read: (at = live) => readFiles(at),
    archive: async (source, given = context) => (await archiveTo(path, source, given)).facts,
    restore: (source, task, given = { ...context, token: 'token2' }) =>
      restoreFrom(path, source, taskOf(task), given),
    [Symbol.asyncDispose]: async () => {
      text('rm', ['-rf', '--one-file-system', root, scratch])
    },
  }
}

async function writeFiles(files: Files, root: string): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
}

async function readFiles(root: string): Promise<Files> {
  const found = text('find', ['-H', root, '-type', 'f', '-printf', '%P\\n'])
  const names = found.split('\n').filter(Boolean)
  const files = names.map(async (name) => [name, await readFile(join(root, name), 'utf8')] as const)
  return Object.fromEntries(await Promise.all(files))
}

export function sourceOf(path: string, options: Options = {}): Source {
  return directory.configure(section('jobs.test.sources[0]', { path, ...options }))
}
