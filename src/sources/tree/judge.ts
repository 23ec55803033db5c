import { SourceFailed } from '../../lib/errors.ts'
import type { Exit } from '../../platform/program.ts'
import type { Contents } from './index-file.ts'
import { naming, readable, unquote } from './names.ts'
import type { TarRemarks } from './tar-stderr.ts'

/** A tar that read to its end, and what it said on the way. */
export interface Account {
  readonly path: string
  readonly changedLimit: number
  readonly contents: Contents
  readonly remarks: TarRemarks
  readonly exit: Exit
  /** Whether the member of that name is a directory now. */
  isFolder(name: Buffer): Promise<boolean>
}

/**
 * What the run's reader should know about the copy. Throws `SourceFailed` when a larger share of the
 * entries than declared changed, shrank or vanished while being read; folders do not count, because
 * their own entries do.
 */
export async function judge(account: Account): Promise<readonly string[]> {
  const { remarks, contents, changedLimit, path } = account
  requireShortPaths(contents, path)
  const folders = await namesOfFolders(account)
  const changed = remarks.changed.filter((name) => !folders.has(name))
  const files = changed.length + remarks.vanished.length + remarks.shrunk.length
  // Exit code 1 says that something differs: what was not understood or not seen may be it.
  const unknown = account.exit.code === 1 ? remarks.unseen + remarks.other.length : 0
  const warnings = [
    ...said('files changed while being read', changed),
    ...said('files shrank while being read, and end in zeros in the archive', remarks.shrunk),
    ...said('files vanished before they were read', remarks.vanished),
    ...said('folders changed while being read', [...folders]),
    ...said('sockets left out', remarks.ignored),
    ...said('other remarks of tar', remarks.other, (line) => line),
    ...deviceWarning(contents),
    ...(remarks.unseen > 0 ? [`${remarks.unseen} more remarks of tar were not kept`] : []),
  ]
  const suspect = files + unknown
  if (suspect > changedLimit * Math.max(contents.entries, 1)) {
    const share = `${suspect} of ${contents.entries} entries of ${path} changed while being read`
    const limit = `more than changed_limit ${changedLimit} allows`
    throw new SourceFailed(`${share}, ${limit}: ${warnings.join('; ')}`, {
      at: path,
      hint: 'back up at a quieter time, exclude what changes all the time, or raise changed_limit',
    })
  }
  return warnings
}

/** An archive that nothing can unpack is no backup. */
function requireShortPaths({ tooLong, tooLongCount }: Contents, path: string): void {
  if (tooLongCount === 0) return
  const what = 'paths are longer than tar can unpack'
  throw new SourceFailed(`in ${path} ${naming(what, tooLong, tooLongCount)}`, {
    at: path,
    hint: 'exclude them, or name a folder further down as a source of its own',
  })
}

async function namesOfFolders({ remarks, isFolder }: Account): Promise<ReadonlySet<string>> {
  const folders = new Set<string>()
  for (const name of remarks.changed) if (await isFolder(unquote(name))) folders.add(name)
  return folders
}

function said(
  what: string,
  names: readonly string[],
  show = (name: string) => readable(unquote(name)),
): readonly string[] {
  return names.length === 0 ? [] : [naming(what, names.map(show))]
}

function deviceWarning({ devices, deviceCount }: Contents): readonly string[] {
  if (deviceCount === 0) return []
  return [`${naming('device nodes', devices, deviceCount)}; a restore leaves them out`]
}
