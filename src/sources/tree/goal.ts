import { constants } from 'node:fs'
import { access, lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RestoreFailed } from '../../lib/errors.ts'
import { exists, isGone } from '../../platform/files.ts'
import { realOf, within } from '../../platform/paths.ts'
import type { RestoreTask } from '../source.ts'
import { mountPoints, mountsInside } from './mounts.ts'
import { naming } from './names.ts'
import { deviceOf, isEmpty } from './places.ts'
import type { DirectorySettings } from './settings.ts'

/** What a restore puts in whose place, and how. */
export interface Goal {
  /** Absolute, links resolved: what is replaced. */
  readonly path: string
  /** Its path inside the archive; `''` for the root. */
  readonly part: string
  readonly now: Now
  /** Folder for our own folders, on the file system of `path`. */
  readonly home: string
  /** Name that our folders carry, or null where they lie inside what is replaced. */
  readonly base: string | null
  /** `rename` swaps the path itself; `entries` what is in it, where the path cannot be renamed. */
  readonly way: 'rename' | 'entries'
  readonly inPlace: boolean
  /** Paths in use by ourselves that must stay where they are, from `path` on. */
  readonly stays: readonly string[]
  /** Why the restore has to be refused, in words. */
  readonly obstacles: readonly string[]
}

type Now = 'nothing' | 'folder' | 'something else'

/** The member that is asked for, without `./` and slashes at its ends; null for everything. */
export function memberOf({ only }: RestoreTask): string | null {
  const path = (only ?? '').split('/').filter((part) => part !== '' && part !== '.')
  if (path.includes('..')) {
    const hint = 'list what the archive holds with: holdfast backup show REF --contents'
    throw new RestoreFailed(`${only} leads out of the archive`, { hint })
  }
  return path.length === 0 ? null : path.join('/')
}

/** Looks at what a restore would replace. Changes nothing. */
export async function findGoal(
  settings: DirectorySettings,
  task: RestoreTask,
  ours: readonly string[],
): Promise<Goal> {
  const only = memberOf(task)
  const root = await realOf(task.to ?? settings.path)
  const inPlace = task.to === null
  const reach =
    only !== null && inPlace ? await reachOf(root, only) : { path: root, part: only ?? '' }
  const now = await lookAt(reach.path)
  const stays = await insideOf(reach.path, ours)
  const mounts = mountsInside(await mountPoints(), root).filter(
    (mount) =>
      within(mount, reach.path) !== null ||
      (within(reach.path, mount) !== null &&
        !stays.some((kept) => within(join(reach.path, kept), mount) !== null)),
  )
  const whole = reach.path === root
  const beside = !(settings.isHeld && inPlace) && (await canLieBeside(root, reach.path))
  return {
    ...reach,
    now,
    home: beside ? dirname(root) : root,
    base: beside ? rootName(root) : null,
    way: whole && now === 'folder' && (!beside || stays.length > 0) ? 'entries' : 'rename',
    inPlace,
    stays,
    obstacles: [
      ...(await obstaclesAt(settings, root, now, { inPlace, whole })),
      ...(mounts.length > 0 ? [naming('file systems are mounted in it', mounts)] : []),
      ...(await coveredBy(reach.path, ours)),
      ...(!whole && stays.length > 0 ? [`it holds ${stays.join(', ')}, which is in use`] : []),
    ],
  }
}

function rootName(root: string): string {
  return root.slice(root.lastIndexOf('/') + 1)
}

/** The member's place in the live tree, or the topmost folder above it that is missing there. */
async function reachOf(
  root: string,
  only: string,
): Promise<{ readonly path: string; readonly part: string }> {
  let path = root
  let part = ''
  for (const name of only.split('/')) {
    const now = await lookAt(path)
    if (now === 'nothing') break
    if (now !== 'folder') {
      const hint = 'restore it to another place with --to'
      throw new RestoreFailed(`${path} is not a folder, so ${only} cannot be put in it`, { hint })
    }
    path = join(path, name)
    part = part === '' ? name : `${part}/${name}`
  }
  return { path, part }
}

async function lookAt(path: string): Promise<Now> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'something else'
  } catch (error) {
    if (isGone(error)) return 'nothing'
    throw error
  }
}

async function insideOf(path: string, ours: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  for (const one of ours) {
    const way = within(path, await realOf(one))
    if (way && (await exists(join(path, way)))) found.add(way)
  }
  return [...found].sort()
}

async function coveredBy(path: string, ours: readonly string[]): Promise<readonly string[]> {
  for (const one of ours) {
    if (within(await realOf(one), path) !== null) return [`it lies in ${one}, which is in use`]
  }
  return []
}

/** Whether our folders can lie beside `root` and `path` be renamed to and from there. */
async function canLieBeside(root: string, path: string): Promise<boolean> {
  if (root === '/' || (await mountPoints()).includes(root)) return false
  if ((await deviceOf(dirname(root))) !== (await deviceOf(path))) return false
  return await access(dirname(root), constants.W_OK | constants.X_OK).then(
    () => true,
    (error: unknown) => isGone(error),
  )
}

async function obstaclesAt(
  { path, requireMount }: DirectorySettings,
  root: string,
  now: Now,
  { inPlace, whole }: { readonly inPlace: boolean; readonly whole: boolean },
): Promise<readonly string[]> {
  if (inPlace) {
    return [
      ...(whole && now === 'something else' ? ['it is not a folder'] : []),
      ...(requireMount && !(await mountPoints()).includes(root)
        ? [`nothing is mounted at ${path}`]
        : []),
    ]
  }
  if (now === 'something else') return ['it exists already and is not a folder']
  return now === 'folder' && !(await isEmpty(root)) ? ['it exists already and is not empty'] : []
}
