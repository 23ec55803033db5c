import { lstat, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceFacts } from '../../core/manifest.ts'
import { SourceFailed } from '../../lib/errors.ts'
import { codeOf, isMountPoint } from '../../platform/files.ts'
import { realOf, within } from '../../platform/paths.ts'
import type { Exit, Program } from '../../platform/program.ts'
import type { Dump, SourceContext, SourceReport } from '../source.ts'
import { tarExcludes } from './excludes.ts'
import { readIndexFile } from './index-file.ts'
import { judge } from './judge.ts'
import { isEmpty } from './places.ts'
import type { DirectorySettings } from './settings.ts'
import { readTarStderr } from './tar-stderr.ts'
import { TAR_ENV, tarVersion, totalBytes } from './tools.ts'

/** What one dump reads. */
interface Subject {
  /** The folder itself, links in its path resolved. */
  readonly root: string
  /** Paths inside it that are ours, not content; from the root on. */
  readonly leftOut: readonly string[]
  readonly indexPath: string
  readonly tar: string
  readonly device: number
}

/** One archive of the folder by GNU tar, which resolves when the folder is fit to be read. */
export async function dumpDirectory(
  settings: DirectorySettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const { root, device } = await checkedRoot(settings)
  const subject: Subject = {
    root,
    device,
    leftOut: await leftOutOf(root, [...context.leaveOut, context.scratch]),
    indexPath: join(context.scratch, `tar-index-${context.token}`),
    tar: await tarVersion(signal),
  }
  return {
    content: { kind: 'program', program: tarCreate(settings, subject) },
    finish: (exit) => report(exit, settings, subject, signal),
    [Symbol.asyncDispose]: () => rm(subject.indexPath, { force: true }),
  }
}

async function checkedRoot(
  settings: DirectorySettings,
): Promise<{ readonly root: string; readonly device: number }> {
  const { path } = settings
  const root = await realOf(path)
  const found = await stat(root).catch((cause: unknown) => {
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read (${codeOf(cause)})`
    const hint = `mount or make it, or correct the path of the source: ls -ld ${path}`
    throw new SourceFailed(`directory ${path} ${why}`, { at: path, cause, hint })
  })
  if (!found.isDirectory()) {
    const hint = 'name the folder it is in, or for a database file use a source of type sqlite'
    throw new SourceFailed(`${path} is not a directory`, { at: path, hint })
  }
  if (settings.requireMount && !(await isMountPoint(root))) {
    const hint = 'mount its file system, or take require_mount out of the source'
    throw new SourceFailed(`nothing is mounted at ${path}`, { at: path, hint })
  }
  if (!settings.allowEmpty && (await isEmpty(root))) throw emptyFailure(path)
  return { root, device: found.dev }
}

function emptyFailure(path: string): SourceFailed {
  const hint = 'set allow_empty: true on the source if that is meant to be'
  return new SourceFailed(`directory ${path} has nothing in it to back up`, { at: path, hint })
}

/** Those of `ours` that lie inside `root`, from it on. Throws when the root lies inside one of them. */
async function leftOutOf(root: string, ours: readonly string[]): Promise<readonly string[]> {
  const inside: string[] = []
  for (const path of ours) {
    const real = await realOf(path)
    if (within(real, root) !== null) {
      const hint = 'move data_dir, scratch_dir or the target out of the way of the source'
      throw new SourceFailed(`directory ${root} is, or lies in, ${path}, which is ours`, { hint })
    }
    const way = within(root, real)
    if (way !== null) inside.push(way)
  }
  return [...new Set(inside)].sort()
}

/** How GNU tar is to write an archive, whatever it is of. */
export const TAR_CREATE = [
  ...['--create', '--file=-', '--format=posix', '--blocking-factor=128'],
  // An archive of unchanged files stays the same, byte for byte: no process id, no access times.
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  ...['--sort=name', '--numeric-owner', '--sparse'],
  ...['--acls', '--xattrs', '--xattrs-include=*'],
  ...['--verbose', '--verbose', '--totals'],
]

function tarCreate(settings: DirectorySettings, subject: Subject): Program {
  const args = [
    ...TAR_CREATE,
    `--index-file=${subject.indexPath}`,
    ...(settings.oneFileSystem ? ['--one-file-system', '--warning=no-xdev'] : []),
    `--directory=${subject.root}`,
    ...tarExcludes(settings.excludes, subject.leftOut),
    '.',
  ]
  return { command: 'tar', args, env: TAR_ENV }
}

async function report(
  exit: Exit | null,
  settings: DirectorySettings,
  subject: Subject,
  signal: AbortSignal,
): Promise<SourceReport> {
  const { path, changedLimit } = settings
  const ended = endedWell(exit, path)
  const contents = await readIndexFile(subject.indexPath, signal)
  const remarks = readTarStderr(ended)
  const isFolder = (name: Buffer) => isDirectory(subject.root, name)
  const warnings = await judge({ path, changedLimit, contents, remarks, exit: ended, isFolder })
  if (!settings.allowEmpty && contents.entries < 2) throw emptyFailure(path)
  const contentBytes = totalBytes(ended.stderr)
  const facts: SourceFacts = {
    path,
    excludes: settings.excludes.map(({ text }) => text),
    leftOut: subject.leftOut,
    oneFileSystem: settings.oneFileSystem,
    entries: contents.entries,
    contentBytes,
    devices: contents.devices,
    device: subject.device,
    tar: subject.tar,
  }
  return { facts, warnings, contentBytes }
}

/** The exit of a tar that read to the end; throws for every other. */
export function endedWell(exit: Exit | null, path: string): Exit {
  if (exit === null) throw new SourceFailed(`tar of ${path} was not run`, { at: path })
  if (exit.code === 0 || exit.code === 1) return exit
  const how =
    exit.signal === null ? `failed with exit code ${exit.code}` : `was ended by ${exit.signal}`
  const { other } = readTarStderr(exit)
  const why = other.length === 0 ? '' : `: ${other.slice(0, 20).join('; ')}`
  const unreadable = other.some((line) => line.includes('Permission denied'))
  const hint = 'run as a user who may read all of it, or leave it out with exclude'
  throw new SourceFailed(`tar of ${path} ${how}${why}`, {
    at: path,
    ...(unreadable ? { hint } : {}),
  })
}

async function isDirectory(root: string, name: Buffer): Promise<boolean> {
  const found = await lstat(Buffer.concat([Buffer.from(`${root}/`), name])).catch(() => null)
  return found?.isDirectory() ?? false
}
