import { lstat, mkdir, opendir, rm } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { Bytes } from '../../core/model.ts'
import { messageOf, SourceFailed } from '../../lib/errors.ts'
import { failureOf, type Program, startChain } from '../../platform/program.ts'
import type { Dump, SourceContext } from '../source.ts'
import { requireProgram } from './installed.ts'
import { requireSize } from './output.ts'
import { type Argv, type CommandSettings, masked, nameOf, revealed } from './settings.ts'

type Collecting = CommandSettings & { readonly collect: string }

/** Names the folder for the program. */
export const COLLECT_VARIABLE = 'HOLDFAST_COLLECT_DIR'

/** A file system's clock may lag this far behind ours. */
const CLOCK_SLACK = 2000

/** Runs the program to its end, then gives a tar of the folder that it filled. */
export async function dumpCollected(
  settings: Collecting,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const name = nameOf(settings.backup)
  const fresh = isAbsolute(settings.collect)
    ? null
    : join(context.scratch, `collect-${context.token}`)
  const folder = fresh === null ? settings.collect : join(fresh, settings.collect)
  if (fresh !== null && !folder.startsWith(`${fresh}/`)) {
    throw new SourceFailed(`collect: ${settings.collect} leads out of the folder it is in`)
  }
  const remove = async () => {
    if (fresh !== null) await rm(fresh, { recursive: true, force: true })
  }
  try {
    await requireProgram(settings.backup, settings)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const startedAt = Date.now()
    await runOver(settings.backup, folder, settings, signal)
    const found = await measure(folder, signal)
    if (found.files === 0) throw new SourceFailed(`${name} left no file in ${folder}`)
    if (found.newest < startedAt - CLOCK_SLACK) {
      throw new SourceFailed(
        `${name} changed nothing in ${folder}: what lies there is from before`,
        {
          hint: 'have it write its files anew, or archive the folder by a source of type directory',
        },
      )
    }
    requireSize(`${name} left`, found.bytes, settings)
    return {
      content: { kind: 'program', program: tarOf(folder) },
      async finish(exit) {
        if (exit === null || exit.code !== 0) {
          const how = exit ? (failureOf(exit)?.message ?? 'tar failed') : 'tar was not run'
          throw new SourceFailed(`archive of what ${name} left in ${folder}: ${how}`)
        }
        return {
          facts: { program: name, extension: '.tar', collect: true, files: found.files },
          warnings: [],
          contentBytes: found.bytes,
        }
      },
      [Symbol.asyncDispose]: remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Runs a program that reads or fills `folder`, to its end. Throws `SourceFailed` unless it succeeds. */
export async function runOver(
  argv: Argv,
  folder: string,
  { env, cwd }: CommandSettings,
  signal: AbortSignal,
): Promise<void> {
  const program: Program = {
    command: argv[0],
    args: argv.slice(1),
    env: { ...revealed(env), [COLLECT_VARIABLE]: folder },
    ...(cwd === null ? {} : { cwd }),
  }
  const chain = await startChain([program], { stdin: null, stdout: 'ignore', signal }).catch(
    (cause: unknown) => {
      signal.throwIfAborted()
      throw new SourceFailed(messageOf(cause), { cause })
    },
  )
  const [exit] = await chain.exits
  signal.throwIfAborted()
  const failure = exit ? failureOf(exit) : null
  if (failure === null) return
  throw new SourceFailed(masked(failure.message, env), {
    hint: 'run it by hand as the same user, with the same environment',
  })
}

interface Found {
  readonly files: number
  readonly bytes: Bytes
  /** When a file or a folder's list of names was last changed, in our time. */
  readonly newest: number
}

async function measure(folder: string, signal: AbortSignal): Promise<Found> {
  let files = 0
  let bytes = 0
  let newest = (await lstat(folder)).ctimeMs
  for await (const entry of await opendir(folder, { recursive: true })) {
    signal.throwIfAborted()
    const { size, ctimeMs } = await lstat(join(entry.parentPath, entry.name))
    newest = Math.max(newest, ctimeMs)
    if (!entry.isFile()) continue
    files++
    bytes += size
  }
  return { files, bytes: bytes as Bytes, newest }
}

function tarOf(folder: string): Program {
  const args = [
    ...['--create', '--file=-', '--format=posix', '--blocking-factor=128', '--sort=name'],
    ...['--numeric-owner', '--sparse', '--acls', '--xattrs', '--xattrs-include=*'],
    ...['--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'],
    `--directory=${folder}`,
    '.',
  ]
  return { command: 'tar', args, env: { LC_ALL: 'C' } }
}
