import { ArchiveDamaged, RestoreFailed } from '../../lib/errors.ts'
import type { Exit, Program } from '../../platform/program.ts'
import { MAX_NAMED, readable, unquote } from './names.ts'
import { TAR_ENV } from './tools.ts'

/**
 * The tar that unpacks into `tree`: everything, or one member and the folders that lead to it. It tells
 * of each member in the file `index`.
 */
export function tarExtract(
  tree: string,
  only: string | null,
  index: string | null = null,
): Program {
  const args = [
    ...['--extract', '--file=-', `--directory=${tree}`],
    ...['--preserve-permissions', '--numeric-owner', '--delay-directory-restore'],
    ...['--acls', '--xattrs', '--xattrs-include=*'],
    ...(index === null ? [] : ['--verbose', '--verbose', `--index-file=${index}`]),
    ...['--warning=no-timestamp', '--warning=no-unknown-keyword'],
    ...(only === null
      ? []
      : ['--no-recursion', ...foldersAbove(only), '--recursion', ...spellings(only)]),
  ]
  return { command: 'tar', args, env: TAR_ENV }
}

/** The same tar, which leaves out members of these names, `./dev/null`. */
export function without(names: readonly string[], { command, args, ...rest }: Program): Program {
  const excludes = names.map((name) => `--exclude=${name}`)
  return { ...rest, command, args: ['--anchored', '--no-wildcards', ...excludes, ...args] }
}

/** Archives made by others may name members without `./`. */
function spellings(path: string): readonly string[] {
  return path.startsWith('-') ? [`./${path}`] : [`./${path}`, path]
}

/** `.`, and each folder on the way: they bring their owner and mode. */
function foldersAbove(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1)
  return ['.', ...parts.flatMap((_, index) => spellings(parts.slice(0, index + 1).join('/')))]
}

const TELLING_OF_ESCAPE =
  /Removing leading .* from (?:member names|hard link targets)|Member name contains '\.\.'/
const MACHINE_AT_FAULT =
  /No space left on device|Disk quota exceeded|Read-only file system|Permission denied|Operation not permitted|Input\/output error/
const NOT_FOUND = /^tar: (.*): Not found in archive$/
const ATTRIBUTES = /Cannot (?:set|drop) .*(?:extended attribute|POSIX ACLs)/
const FOLLOWS = /^tar: (?:Exiting with failure status|Error is not recoverable)/

/**
 * What tar said while it unpacked, as warnings. Throws `ArchiveDamaged` for names that lead out and
 * for an archive that cannot be read to its end, `RestoreFailed` for a disk that could not take it
 * and for a member that is not there.
 */
export function judgeExtraction(exit: Exit | null, only: string | null): readonly string[] {
  if (exit === null) throw new RestoreFailed('tar was not run')
  const lines = exit.stderr.filter((line) => !FOLLOWS.test(line))
  const escapes = lines.filter((line) => TELLING_OF_ESCAPE.test(line))
  if (escapes.length > 0) throw hostile(escapes)
  const absent = new Set(lines.flatMap((line) => quotedName(NOT_FOUND.exec(line)?.[1])))
  if (only !== null && spellings(only).every((name) => absent.has(name))) {
    const hint = 'list what the archive holds with: holdfast backup show REF --contents'
    throw new RestoreFailed(`the archive holds no ${only}`, { hint })
  }
  const rest = lines.filter((line) => only === null || !NOT_FOUND.test(line))
  const attributes = rest.filter((line) => ATTRIBUTES.test(line))
  const errors = rest.filter((line) => !ATTRIBUTES.test(line))
  const onlyAbsent = only !== null && exit.code === 2 && absent.size > 0 && errors.length === 0
  if (exit.code !== 0 && !onlyAbsent) throw failed(exit, errors, only)
  return warningsOf(attributes, errors, exit)
}

function quotedName(quoted: string | undefined): readonly string[] {
  return quoted === undefined ? [] : [unquote(quoted).toString('utf8')]
}

function hostile(lines: readonly string[]): ArchiveDamaged {
  const hint = 'nothing was restored; this archive was not made by a backup of a folder'
  return new ArchiveDamaged(`the archive holds names that lead out of it: ${joined(lines)}`, {
    hint,
  })
}

function failed(exit: Exit, errors: readonly string[], only: string | null): Error {
  const how =
    exit.signal === null ? `failed with exit code ${exit.code}` : `was ended by ${exit.signal}`
  const why = errors.length === 0 ? '' : `: ${joined(errors)}`
  const message = `unpacking the archive ${how}${why}`
  if (only !== null && errors.some((line) => line.includes('Cannot hard link to'))) {
    const hint = `${only} shares its content with a file that was not asked for: ask for that one, or for the folder of both`
    return new RestoreFailed(message, { hint })
  }
  if (exit.signal !== null || errors.some((line) => MACHINE_AT_FAULT.test(line))) {
    return new RestoreFailed(message, {
      hint: 'the data is as it was; see to the disk and try again',
    })
  }
  return new ArchiveDamaged(message)
}

function warningsOf(
  attributes: readonly string[],
  others: readonly string[],
  exit: Exit,
): readonly string[] {
  const unseen = exit.stderrTotal - exit.stderr.length
  const [first] = attributes
  const more = attributes.length > 1 ? ` (and ${attributes.length - 1} more like it)` : ''
  return [
    ...(first === undefined
      ? []
      : [`access lists or extended attributes lost: ${said(first)}${more}`]),
    ...(others.length === 0 ? [] : [`remarks of tar: ${joined(others)}`]),
    ...(unseen > 0 ? [`${unseen} more remarks of tar were not kept`] : []),
  ]
}

function joined(lines: readonly string[]): string {
  const rest = lines.length > MAX_NAMED ? ` … and ${lines.length - MAX_NAMED} more` : ''
  return lines.slice(0, MAX_NAMED).map(said).join('; ') + rest
}

function said(line: string): string {
  return readable(unquote(line.replace(/^tar: /, '')))
}
