import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RestoreFailed } from '../../lib/errors.ts'
import { exists } from '../../platform/files.ts'
import { failureOf, startChain } from '../../platform/program.ts'
import { stageFile, sweepFile } from '../../platform/staged-file.ts'
import type { Replacement, RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { inContainer } from './dump.ts'
import type { ServerSettings } from './settings.ts'

/** What a restore would replace: only the server's own program knows in full. */
export async function describeServer(
  { container, dialect }: ServerSettings,
  { to }: RestoreTask,
  signal: AbortSignal,
): Promise<Replacement> {
  signal.throwIfAborted()
  if (to !== null) {
    const now = (await exists(to)) ? 'something that is there already' : 'nothing'
    return { to, now, remarks: [] }
  }
  return {
    to: `the ${dialect.kind} server in container ${container}`,
    now: 'the databases that are in the dump, as they are now',
    remarks: [
      'it is loaded into the live server, which cannot take it back; nothing is kept of what it replaces',
    ],
  }
}

/** Takes the dump as a file: all of it is there, and proven, before the server hears of it. */
export async function stageServer(
  settings: ServerSettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  const { to, only } = task
  if (only !== null) {
    throw new RestoreFailed(`the dump is restored whole, not only ${only}`, {
      hint: 'write it to a file with --to FILE and take out what you need',
    })
  }
  if (to?.startsWith('/')) return await stageFile(to, context.token)
  if (to !== null) {
    throw new RestoreFailed(`a dump of ${settings.dialect.kind} cannot be restored to ${to}`, {
      hint: 'leave it out, or write the dump to a file with --to FILE',
    })
  }
  const program = await inContainer(settings, true, signal, (env) => settings.dialect.load(env))
  const path = join(context.scratch, `restore-${context.token}.dump`)
  return {
    sink: { kind: 'file', path, isScratch: true },
    immediate: true,
    async finish(_exit, finishSignal) {
      await using input = await open(path)
      const options = { stdin: input.fd, stdout: 'ignore', signal: finishSignal } as const
      const [exit] = await (await startChain([program], options)).exits
      finishSignal.throwIfAborted()
      const failure = exit && failureOf(exit)
      if (!failure) return taken(settings)
      throw new RestoreFailed(`the dump could not be loaded: ${failure.tail || failure.message}`, {
        cause: failure,
        hint: 'look at what the server holds: a part of the dump may be in it',
      })
    },
    discard: () => rm(path, { force: true }),
  }
}

function taken({ dialect, container }: ServerSettings): Staged {
  const summary = `the dump into the ${dialect.kind} server in container ${container}`
  return { moves: [], previous: null, leftovers: [], summary, warnings: [] }
}

/** Removes the file that the restore of `token` filled. */
export async function sweepServer({
  to,
  token,
}: {
  readonly to: string | null
  readonly token: string
}): Promise<void> {
  if (to?.startsWith('/')) await sweepFile(to, token)
}
