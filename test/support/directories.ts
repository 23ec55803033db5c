import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { directory } from '../../src/sources/directory.ts'
import type { Source, SourceContext } from '../../src/sources/source.ts'
import { text } from './trees.ts'

/** A folder for one test, with a scratch folder in it; removed with all in it, however deep. */
export interface Bench extends AsyncDisposable {
  readonly root: string
  /** The folder that is backed up; not made. */
  readonly live: string
  readonly context: SourceContext
  at(...parts: readonly string[]): string
}

export async function makeBench(): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-directory-'))
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  return {
    root,
    live: join(root, 'live'),
    context: { scratch, leaveOut: [], token: 'token1' },
    at: (...parts) => join(root, ...parts),
    [Symbol.asyncDispose]: async () => {
      text('rm', ['-rf', '--one-file-system', root, scratch])
    },
  }
}

export function sourceOf(path: string, options: Options = {}): Source {
  return directory.configure(section('jobs.test.sources[0]', { path, ...options }))
}
