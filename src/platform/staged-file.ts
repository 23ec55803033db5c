import { chmod, lstat, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { RestoreFailed } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { exists, makeFolders, syncFile } from './files.ts'

/** Takes the content of an archive as it is, for a new file at `to`: the staging of every source whose content is one file. */
export async function stageFile(to: string, token: string) {
  if (await exists(to)) {
    throw new RestoreFailed(`${to} exists already and is not overwritten`, {
      at: to,
      hint: 'name a file that does not exist yet',
    })
  }
  await makeFolders(dirname(to), 0o755)
  const staged = stagedPath(to, token)
  return {
    sink: { kind: 'file', path: staged } as const,
    immediate: false,
    async finish() {
      await chmod(staged, 0o600)
      await syncFile(staged)
      if (await exists(to)) throw new RestoreFailed(`${to} came to exist meanwhile`, { at: to })
      const { size } = await lstat(staged)
      const summary = `content of ${formatBytes(size)}`
      return { moves: [{ from: staged, to }], previous: null, leftovers: [], summary, warnings: [] }
    },
    discard: () => rm(staged, { force: true }),
  }
}

/** Removes what a restore of `token` to the file `to` had staged. */
export async function sweepFile(to: string, token: string): Promise<void> {
  await rm(stagedPath(to, token), { force: true })
}

function stagedPath(to: string, token: string): string {
  return join(dirname(to), `.${basename(to)}.holdfast-staging-${token}`)
}
