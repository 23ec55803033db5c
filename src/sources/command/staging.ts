import { mkdir, opendir, readlink, rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { messageOf, RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { faultOf, supervised } from '../../platform/account.ts'
import { type Exit, failureOf } from '../../platform/program.ts'
import { stageFile, sweepFile } from '../../platform/staged-file.ts'
import type { RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { runOver } from './collect.ts'
import { cannotRestore } from './describe.ts'
import { requireProgram } from './installed.ts'
import { type Argv, type CommandSettings, masked, nameOf, programOf } from './settings.ts'

/** Gives the content to the restoring program, or writes it to a new file. */
export async function stageCommand(
  settings: CommandSettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  signal.throwIfAborted()
  if (task.only !== null) {
    throw new RestoreFailed(`the content is restored whole, not only ${task.only}`, {
      hint: 'write it to a file with --to FILE and take out what you need',
    })
  }
  if (task.to !== null) return await stageFile(task.to, context.token)
  const { restore } = settings
  if (restore === null) throw cannotRestore()
  await requireProgram(restore, settings).catch((cause: unknown) => {
    throw new RestoreFailed(messageOf(cause), {
      cause,
      hint: 'or write it to a file with --to FILE',
    })
  })
  // The archive tells what it is; the present config only where no manifest does.
  const { collect } = task.facts
  const collected = typeof collect === 'boolean' ? collect : settings.collect !== null
  return collected
    ? await stageFolder(settings, restore, context)
    : stageInput(settings, restore, context)
}

/** Removes the file that the restore of `token` filled, as `Source.sweep` promises. */
export async function sweepStaged({
  to,
  token,
}: {
  readonly to: string | null
  readonly token: string
}): Promise<void> {
  if (to !== null) await sweepFile(to, token)
}

function stageInput(settings: CommandSettings, restore: Argv, context: SourceContext): Staging {
  const name = nameOf(restore)
  const run = supervised(programOf(restore, settings), 'input', context)
  return {
    sink: { kind: 'program', program: run.program },
    immediate: true,
    async finish(exit) {
      const account = await run.account()
      const fault = faultOf(account, exit)
      if (fault === null) return taken(`${name} took ${formatBytes(account?.counted ?? 0)}`)
      throw new RestoreFailed(`${name} ${masked(fault, settings.env)}`, {
        hint: `look at what ${name} has restored by then: it may be a part`,
      })
    },
    async discard() {
      for (const path of run.files) await rm(path, { force: true })
    },
  }
}

/** Unpacks into a fresh folder first; the program runs over it in `finish`. */
async function stageFolder(
  settings: CommandSettings,
  restore: Argv,
  { scratch, token }: SourceContext,
): Promise<Staging> {
  const name = nameOf(restore)
  const folder = join(scratch, `collect-${token}`)
  await mkdir(folder, { mode: 0o700 })
  const args = ['--extract', '--file=-', '--numeric-owner', '--preserve-permissions']
  const extras = ['--acls', '--xattrs', '--xattrs-include=*', `--directory=${folder}`]
  return {
    sink: {
      kind: 'program',
      program: { command: 'tar', args: [...args, ...extras], env: { LC_ALL: 'C' } },
    },
    immediate: true,
    async finish(exit: Exit | null, signal: AbortSignal) {
      const failure = exit && failureOf(exit)
      if (exit === null || failure) {
        throw new RestoreFailed(
          `archive could not be unpacked for ${name}: ${failure?.message ?? ''}`,
        )
      }
      await refuseHostile(folder, signal)
      await runOver(restore, folder, settings, signal).catch((cause: unknown) => {
        signal.throwIfAborted()
        throw new RestoreFailed(messageOf(cause), {
          cause,
          hint: `look at what ${name} has restored by then: it may be a part`,
        })
      })
      return taken(`${name} took the files of the archive`)
    },
    discard: () => rm(folder, { recursive: true, force: true }),
  }
}

function taken(summary: string): Staged {
  return { moves: [], previous: null, leftovers: [], summary, warnings: [] }
}

/** An archive may hold what no program should be led to: devices, pipes, links out of the folder. */
async function refuseHostile(folder: string, signal: AbortSignal): Promise<void> {
  for await (const entry of await opendir(folder, { recursive: true })) {
    signal.throwIfAborted()
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() || entry.isDirectory()) continue
    if (entry.isSymbolicLink()) {
      const way = relative(folder, resolve(entry.parentPath, await readlink(path)))
      if (way !== '..' && !way.startsWith('../')) continue
    }
    const what = entry.isSymbolicLink() ? 'a link that leads out' : 'no file, folder or link'
    throw new RestoreFailed(`archive holds ${relative(folder, path)}, which is ${what}`, {
      hint: 'look into it with --to FILE.tar and tar --list --verbose',
    })
  }
}
