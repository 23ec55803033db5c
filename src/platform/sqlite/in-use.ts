import { RestoreFailed } from '../../lib/errors.ts'
import { openFiles } from '../open-files.ts'
import { ask } from './ask.ts'
import { ownPath, partsOf } from './places.ts'

/** Who uses a database, and what of that could not be found out. */
export interface Usage {
  /** `node (process 123)`; empty when nobody was seen. */
  readonly users: readonly string[]
  readonly unseen: readonly string[]
}

/** Who has the database or a file beside it open. Opens and changes nothing. */
export async function usersOf(path: string, signal: AbortSignal): Promise<Usage> {
  const { holders, unseen } = await openFiles(await partsOf(path), signal)
  const users = holders.map(({ pid, program }) =>
    pid === null ? 'a process that cannot be seen' : `${program} (process ${pid})`,
  )
  return { users: [...new Set(users)], unseen }
}

/** As `usersOf`, and asks for the locks, which also tells of connections in other containers. */
export async function usersAndLocksOf(
  path: string,
  token: string,
  signal: AbortSignal,
): Promise<Usage> {
  const seen = await usersOf(path, signal)
  if (seen.users.length > 0) return seen
  const link = ownPath(path, 'probe', token)
  const answer = await ask<'probe'>({ kind: 'probe', path, link }, signal)
  if (answer.kind === 'problem' || answer.state === 'unknown') {
    const why = answer.kind === 'problem' ? answer.message : answer.why
    return { ...seen, unseen: [...seen.unseen, `the locks of ${path} could not be asked (${why})`] }
  }
  if (answer.state === 'free') return seen
  return { ...seen, users: ['a process that cannot be seen, by its lock'] }
}

/** Gives what a reader should know. Throws `RestoreFailed` when the database is used, unless forced. */
export function judgeUsage(
  path: string,
  { users, unseen }: Usage,
  { force }: { readonly force: boolean },
): readonly string[] {
  if (users.length === 0) return unseen
  const by = users.join(', ')
  if (!force) {
    throw new RestoreFailed(`database ${path} is in use by ${by}`, {
      at: path,
      hint: 'stop what uses it and try again; --force goes on, and what is written meanwhile is lost',
    })
  }
  return [...unseen, `${path} was in use by ${by}: restart it, or it goes on with the old file`]
}
