import { lstatSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Refused, TargetUnreachable } from '../lib/errors.ts'
import { codeOf, exists, isMountPoint } from '../platform/files.ts'

/** Where a local target keeps its objects. */
export interface Place {
  /** Absolute, normalised, never `/`. */
  readonly root: string
  readonly requireMount: boolean
  /** Folders whose own names are known to be on the disk. */
  readonly durable: Set<string>
}

/**
 * Whether the folder of the target is there. Throws `TargetUnreachable` where nothing can be said
 * about its objects: a disk that is not mounted looks like a folder without any.
 */
export async function lookAt(place: Place): Promise<'there' | 'missing'> {
  const { root, requireMount } = place
  const found = await stat(root).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (requireMount && !(await isMountPoint(root))) {
    throw elsewhere(root, 'nothing is mounted there, and require_mount is set', `mount ${root}`)
  }
  if (found?.isDirectory()) return 'there'
  if (found) throw elsewhere(root, 'it is not a directory', 'name a directory as path')
  const named = lstatSync(root, { throwIfNoEntry: false })
  if (named?.isSymbolicLink()) {
    throw elsewhere(root, 'it is a link that leads nowhere', `ls -l ${root}`)
  }
  // Another put has made it since.
  if (named) return await lookAt(place)
  if (await exists(dirname(root))) return 'missing'
  throw elsewhere(root, `${dirname(root)} does not exist`, `mount it, or: mkdir -p ${root}`)
}

function elsewhere(root: string, why: string, hint: string): TargetUnreachable {
  return new TargetUnreachable(`cannot use ${root} as a target: ${why}`, { at: root, hint })
}

/** Throws `Refused` when a folder of the key below the root is a link: it may lead anywhere. */
export function refuseDetours(root: string, key: string): void {
  for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1)) {
    const folder = `${root}/${key.slice(0, slash)}`
    const found = lstatSync(folder, { throwIfNoEntry: false })
    if (found?.isSymbolicLink()) {
      throw new Refused(`${key} is not used: ${folder} is a symbolic link`, { at: folder })
    }
    if (!found?.isDirectory()) return
  }
}

/** What a disk says, for the person who has to mend it. */
const TROUBLES: Readonly<Record<string, readonly [why: string, hint: (root: string) => string]>> = {
  ENOSPC: ['no space is left', (root) => `free some space: df -h ${root}`],
  EDQUOT: ['the quota is used up', (root) => `raise the quota, or free some space below ${root}`],
  EROFS: ['it is mounted read-only', (root) => `mount -o remount,rw ${root}`],
  EACCES: ['permission is denied', (root) => `see who may read and write it: namei -l ${root}`],
  EPERM: ['permission is denied', (root) => `see who may read and write it: namei -l ${root}`],
  ENOTDIR: ['a part of the path is not a directory', (root) => `namei -l ${root}`],
  ENAMETOOLONG: ['the name is too long for it', () => 'shorten the names of job and source'],
  EIO: ['the disk reports an error', () => 'look at the kernel log: dmesg'],
  ESTALE: ['the network share went away', (root) => `mount ${root} again`],
}

/** The failure that a system error means; any other error is itself. */
export function trouble(root: string, attempt: string, error: unknown): unknown {
  const code = codeOf(error)
  if (code === null) return error
  const [why, hint] = TROUBLES[code] ?? [(error as Error).message, null]
  return new TargetUnreachable(`cannot ${attempt} in ${root}: ${why}`, {
    cause: error,
    at: root,
    ...(hint ? { hint: hint(root) } : {}),
  })
}
