import { removeHelpers } from '../../docker/helper.ts'
import { RestoreFailed } from '../../lib/errors.ts'
import type { Exit } from '../../platform/program.ts'
import type { RestoreTask, SourceContext, Staged, Staging } from '../source.ts'
import { listOf } from '../tree/carry.ts'
import { judgeExtraction, tarExtract, without } from '../tree/extract.ts'
import { memberOf } from '../tree/goal.ts'
import { ownName } from '../tree/places.ts'
import { requireAll } from '../tree/staging.ts'
import { carriedInside } from './carry-inside.ts'
import { READING, runInside } from './inside.ts'
import { INSIDE, ownerOf, type Place } from './place.ts'
import type { Shared } from './realm.ts'
import { openSession, readOut, type Session } from './session.ts'
import { planMember, planSwapInside } from './swap-inside.ts'
import type { Toolbox } from './toolbox.ts'

export interface InsideParts {
  readonly place: Place
  readonly box: Toolbox
  /** Whether the volume holds nothing yet. */
  readonly empty: boolean
  readonly shared: Shared
}

/** One restore under way in a container of ours; paths as it sees them. */
export interface InsideWork extends InsideParts {
  readonly session: Session
  readonly task: RestoreTask
  /** 0700, and all that is staged lies in it. */
  readonly holder: string
  readonly tree: string
  readonly previous: string
  readonly park: string
}

/** Opens a folder in the volume for a tar of a container of ours to unpack into. */
export async function stageInside(
  parts: InsideParts,
  task: RestoreTask,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Staging> {
  const { place, box, shared } = parts
  requireTools(place, box)
  // What a restore that died had started may still wait.
  await removeHelpers(place.engine, ownerOf(place), signal)
  const session = await openSession(place, box.image, signal)
  const at = (role: 'staging' | 'previous' | 'parked') =>
    `${INSIDE}/${ownName(role, context.token, null)}`
  const holder = at('staging')
  const own = { holder, tree: `${holder}/tree`, previous: at('previous'), park: at('parked') }
  const work: InsideWork = { ...parts, ...own, session, task }
  shared.session = session
  let isOver = false
  const discard = async () => {
    if (isOver) return
    isOver = true
    shared.session = null
    try {
      await clear(session, context.token)
    } finally {
      await session[Symbol.asyncDispose]()
    }
  }
  try {
    await session.must(['mkdir', '-m', '700', '--', holder])
    await session.must(['mkdir', '-m', '755', '--', work.tree])
    const like = `--reference=${INSIDE}`
    await session.must(['chown', like, '--', work.tree])
    await session.must(['chmod', like, '--', work.tree])
  } catch (error) {
    await discard()
    throw error
  }
  return {
    sink: {
      kind: 'stream',
      open: (during) => session.start(unpacking(work), 'pipe', during),
    },
    immediate: false,
    finish: (exit, during) => finish(work, exit, AbortSignal.any([signal, during])),
    discard,
  }
}

function requireTools({ volume }: Place, { tar, image }: Toolbox): void {
  if (tar === 'gnu') return
  throw new RestoreFailed(
    `cannot restore volume ${volume.name} by image ${image}: its tar is busybox's`,
    {
      at: volume.name,
      hint: 'fetch an image with GNU tar and coreutils: docker pull debian:12-slim',
    },
  )
}

function unpacking({ tree, task }: InsideWork): readonly string[] {
  // It may not make devices, and none is restored.
  const devices = listOf(task.facts, 'devices')
  const { command, args } = without(devices, tarExtract(tree, memberOf(task)))
  return [command, ...args]
}

async function finish(work: InsideWork, exit: Exit | null, signal: AbortSignal): Promise<Staged> {
  const { session, task, tree, holder, place } = work
  const only = memberOf(task)
  const said = judgeExtraction(exit, only)
  const devices = listOf(task.facts, 'devices')
  const entries = (await countInside(session, tree, signal)) + devices.length
  if (only === null) requireAll(entries, task)
  const swap =
    only === null
      ? await planSwapInside(work, await carriedInside(session, task, signal), signal)
      : await planMember(work, only)
  await session.must(['sync', '-f', '--', holder])
  return {
    ...swap,
    leftovers: [`volume:${place.volume.name}/${holder.slice(INSIDE.length + 1)}`],
    summary: only === null ? `${entries} entries` : only,
    warnings: [
      ...said,
      ...(devices.length > 0 ? [`${devices.length} device nodes left out`] : []),
      ...swap.warnings,
    ],
  }
}

async function countInside(session: Session, tree: string, signal: AbortSignal): Promise<number> {
  let count = 0
  await readOut(session, ['find', tree, '-printf', 'x'], (piece) => (count += piece.length), signal)
  return count
}

async function clear(session: Session, token: string): Promise<void> {
  const at = (role: 'staging' | 'previous' | 'parked') => `${INSIDE}/${ownName(role, token, null)}`
  await session.must(['rm', '-rf', '--one-file-system', '--', at('staging')])
  // What is parked, or was moved out already, is live data: only what is empty goes.
  await session.run(['rmdir', '--', at('parked')])
  await session.run(['rmdir', '--', at('previous')])
}

/** Removes what the restore of `token` left in the volume, and the container that it left. */
export async function sweepInside(place: Place, { image }: Toolbox, token: string): Promise<void> {
  const { signal } = new AbortController()
  await removeHelpers(place.engine, ownerOf(place), signal)
  await using session = await openSession(place, image, signal)
  await clear(session, token)
}

/** Whether the volume holds nothing but our own folders and a file system's `lost+found`. */
export async function isEmptyInside(
  place: Place,
  { image }: Toolbox,
  signal: AbortSignal,
): Promise<boolean> {
  const besides = ['-not', '-name', '.holdfast-*', '-not', '-name', 'lost+found']
  const argv = ['find', INSIDE, '-mindepth', '1', '-maxdepth', '1', ...besides, '-print', '-quit']
  const { code, stdout } = await runInside(place, { image, argv, capabilities: READING }, signal)
  return code === 0 && stdout === ''
}
