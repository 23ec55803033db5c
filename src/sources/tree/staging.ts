import { chmod, mkdir, readdir, rmdir, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ArchiveDamaged, RestoreFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { ownCapabilities } from '../../platform/capabilities.ts'
import { exists, makeFolders } from '../../platform/files.ts'
import { realOf, within } from '../../platform/paths.ts'
import type { Exit } from '../../platform/program.ts'
import type { RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { carriedOver, listOf } from './carry.ts'
import type { OwnRole } from './excludes.ts'
import { judgeExtraction, tarExtract, without } from './extract.ts'
import { type Flushing, flushMeanwhile } from './flushing.ts'
import { findGoal, type Goal, memberOf } from './goal.ts'
import { lostGroupBits } from './group-bits.ts'
import { naming } from './names.ts'
import { ownName } from './places.ts'
import { scan } from './scan.ts'
import type { DirectorySettings } from './settings.ts'
import { makeLike, planSwap } from './swap.ts'
import { removeTree, syncFileSystem } from './tools.ts'

/** One restore under way. */
interface Work {
  readonly goal: Goal
  readonly task: RestoreTask
  /** 0700: what is in it is nobody else's to see or to meddle with. */
  readonly holder: string
  /** Root of what is unpacked, in `holder`. */
  readonly tree: string
  /** What tar tells of each member, in `holder`; null where nothing can be lost unheard. */
  readonly index: string | null
  /** Device nodes that are not unpacked, for want of the right to; none is restored anyway. */
  readonly devices: readonly string[]
  readonly previous: string
  readonly park: string
  /** Folders outside `holder` that were made for this restore; those still empty go with it. */
  readonly made: string[]
}

interface Unpacked extends Work {
  readonly flushing: Flushing
  readonly exit: Exit | null
}

/** Opens a folder beside the live data, or in it where it is a mount point, for tar to unpack into. */
export async function stageDirectory(
  settings: DirectorySettings,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  const goal = await findGoal(settings, task, [...context.leaveOut, context.scratch])
  refuse(goal)
  const ours = (role: OwnRole) => join(goal.home, ownName(role, context.token, goal.base))
  const holder = ours('staging')
  const own = await ownCapabilities()
  const work: Work = {
    goal,
    task,
    holder,
    tree: join(holder, 'tree'),
    index: own.has('fsetid') ? null : join(holder, 'members'),
    devices: own.has('mknod') ? [] : devicesOf(task),
    previous: ours('previous'),
    park: ours('parked'),
    made: [...(await missingAbove(goal.path))],
  }
  try {
    await open(work, settings)
  } catch (error) {
    await discard(work)
    throw error
  }
  const flushing = flushMeanwhile(holder, signal)
  return {
    sink: {
      kind: 'program',
      program: without(work.devices, tarExtract(work.tree, memberOf(task), work.index)),
    },
    immediate: false,
    finish: (exit, during) =>
      finish({ ...work, flushing, exit }, AbortSignal.any([signal, during])),
    async discard() {
      flushing.last()
      await flushing.ended.catch(() => {})
      await discard(work)
    },
  }
}

/** Of what is restored. */
function devicesOf(task: RestoreTask): readonly string[] {
  const only = memberOf(task)
  return listOf(task.facts, 'devices').filter(
    (name) => only === null || within(`./${only}`, name) !== null,
  )
}

function refuse({ path, obstacles, inPlace }: Goal): void {
  const [first] = obstacles
  if (first === undefined) return
  const hint = inPlace
    ? 'restore to another place with --to, and move what is needed'
    : 'name a folder that does not exist yet, or is empty'
  throw new RestoreFailed(`cannot restore to ${path}: ${obstacles.join('; ')}`, { at: path, hint })
}

async function missingAbove(path: string): Promise<readonly string[]> {
  const parent = dirname(path)
  return (await exists(parent)) ? [] : [...(await missingAbove(parent)), parent]
}

async function open(work: Work, { path }: DirectorySettings): Promise<void> {
  const { goal, holder, tree, task } = work
  await makeFolders(dirname(goal.path), 0o755)
  await sweep(goal)
  await requireSpace(goal, task)
  await mkdir(holder, { mode: 0o700 })
  await chmod(holder, 0o700)
  // An archive without a member for its own root takes the look of what it replaces.
  if (goal.now === 'folder') await makeLike(goal.inPlace ? path : goal.path, tree)
  else await mkdir(tree, { mode: 0o755 })
}

/** Removes what the restore of `token` left, wherever its folders may have stood, as `Source.sweep` promises. */
export async function sweepStaged(
  { path }: DirectorySettings,
  { to, token }: { readonly to: string | null; readonly token: string },
): Promise<void> {
  const root = await realOf(to ?? path)
  const homes = [
    { home: dirname(root), base: basename(root) },
    { home: root, base: null },
  ]
  for (const { home, base } of homes) {
    await removeTree(join(home, ownName('staging', token, base)))
    // What is parked, or was moved out already, is live data: only what is empty goes.
    await rmdir(join(home, ownName('parked', token, base))).catch(() => {})
    if (base === null) await rmdir(join(home, ownName('previous', token, base))).catch(() => {})
  }
}

/** Removes what a restore that died left behind. Restores of one place exclude each other by lease. */
async function sweep({ home, base }: Goal): Promise<void> {
  const staging = ownName('staging', '', base)
  const parked = ownName('parked', '', base)
  for (const name of await readdir(home)) {
    if (name.startsWith(staging)) await removeTree(join(home, name))
    // What is parked is live data: only what is empty goes.
    else if (name.startsWith(parked)) await rmdir(join(home, name)).catch(() => {})
  }
}

async function requireSpace({ home }: Goal, task: RestoreTask): Promise<void> {
  const needed = task.facts.contentBytes
  if (memberOf(task) !== null || typeof needed !== 'number') return
  // Some file systems do not tell their size.
  const { blocks, bavail, bsize } = await statfs(home)
  const free = bavail * bsize
  if (blocks === 0 || free >= needed) return
  const lack = `${formatBytes(needed)} are needed and ${formatBytes(free)} are free`
  throw new RestoreFailed(`not enough space in ${home}: ${lack}`, {
    at: home,
    hint: 'the old data is kept beside the new; make room, or restore to another disk with --to',
  })
}

async function finish(work: Unpacked, signal: AbortSignal): Promise<Staged> {
  const { goal, task, holder, tree, index, devices, exit } = work
  const only = memberOf(task)
  const said = judgeExtraction(exit, only)
  work.flushing.last()
  const scanned = await scan(tree, listOf(task.facts, 'devices'), signal)
  const entries = scanned.entries + devices.length
  if (only === null) requireAll(entries, task)
  const left = devices.length === 0 ? [] : [naming('device nodes left out', devices)]
  const lost = index === null ? [] : await lostGroupBits(tree, index, signal)
  const carried = await carriedOver(goal, task.facts, signal)
  const origin = join(tree, goal.part)
  const swap = await planSwap({ ...work, origin, carried })
  // After the swap only renames stand between a power cut and the restored data.
  await work.flushing.ended
  await syncFileSystem(holder, signal)
  return {
    moves: swap.moves,
    previous: swap.previous,
    leftovers: [holder],
    summary:
      only === null
        ? `${entries} entries into ${goal.path}`
        : `${only} into ${swap.moves.at(-1)?.to ?? goal.path}`,
    warnings: [...said, ...lost, ...left, ...scanned.warnings, ...swap.warnings],
  }
}

/** A tar that was cut between two members, end marks and all, looks whole to tar. */
export function requireAll(entries: number, { facts }: RestoreTask): void {
  const expected = facts.entries
  if (typeof expected !== 'number' || entries >= expected) return
  throw new ArchiveDamaged(`${entries} of the ${expected} entries of the archive came out of it`)
}

async function discard({ holder, made }: Work): Promise<void> {
  await removeTree(holder)
  // rmdir takes only what is empty: after the swap these hold data.
  for (const path of made.toReversed()) await rmdir(path).catch(() => {})
}
