import { readFile } from 'node:fs/promises'
import type { KillOrder } from '../support/kill-at.ts'
import { type Ended, run } from '../support/processes.ts'
import type { Workspace } from '../support/workspace.ts'
import { digestDatabase, digestLive, digestTree } from './digest.ts'
import { contentOf, LawBroken } from './laws.ts'
import { remember } from './memory.ts'
import { type CopyRow, readRows } from './rows.ts'
import { FINISH, type Go, type Scene, settle, well } from './scene.ts'

/**
 * After a struck restore, and the next start, the live data is the old or the new, whole; when it is
 * the new, the history says so and the old is kept.
 */
export async function restoring(
  scene: Scene,
  source: 'files' | 'app.db',
  act: () => Promise<Ended>,
): Promise<Ended> {
  const { workspace, memory } = scene
  if (!memory.settled) await settle(scene)
  await workspace.mutate()
  await remember(workspace, memory)
  const before = await digestLive(workspace, source)
  const wanted = await newestContent(scene, source)
  memory.settled = false
  const ended = await act()
  await settle(scene)
  memory.settled = true
  const now = await digestLive(workspace, source)
  if (now !== before && now !== wanted) {
    throw new LawBroken(`${source} is neither what it was nor what was restored: ${now}`)
  }
  await checkStory(scene, source, { before, swapped: now !== before })
  if (source === 'files') await checkCarried(workspace)
  return ended
}

interface Story {
  readonly before: string
  readonly swapped: boolean
}

async function checkStory(
  { workspace }: Scene,
  source: string,
  { before, swapped }: Story,
): Promise<void> {
  const { restores, backups } = readRows(workspace)
  const row = restores.findLast((one) => one.source === source)
  if (!swapped) return
  if (row?.status !== 'success') {
    throw new LawBroken(`${source} was replaced, and the history says ${JSON.stringify(row)}`)
  }
  // A daemon that was struck late has taken the new baseline already, and may be letting go.
  const hasBaseline = backups.some(
    (one) => one.source === source && one.status === 'success' && one.started_at >= row.started_at,
  )
  if (hasBaseline) return
  if (row.previous === null) throw new LawBroken(`the data before restore ${row.id} is not kept`)
  const kept = source === 'files' ? await digestTree(row.previous) : digestDatabase(row.previous)
  if (kept !== before) throw new LawBroken(`${row.previous} is not what was there before`)
}

/** What the backup leaves out stays at its place whatever happens around it. */
async function checkCarried(workspace: Workspace): Promise<void> {
  if (!workspace.traits().excludes) return
  const path = workspace.at('live', 'files', 'cache', 'kept')
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) throw new LawBroken('what the backup leaves out is gone after a restore')
}

async function newestContent(scene: Scene, source: string): Promise<string> {
  const { workspace, memory } = scene
  const { backups, copies } = readRows(workspace)
  const ids = new Set(
    backups.filter((one) => one.job === 'main' && one.source === source).map(({ id }) => id),
  )
  const [newest] = copies
    .filter((one) => ids.has(one.backup) && one.status === 'complete')
    .filter(({ backup }) => backups.some(({ id, status }) => id === backup && status === 'success'))
    .toSorted((one: CopyRow, other: CopyRow) => other.taken_at - one.taken_at)
  if (!newest) throw new Error(`no copy of ${source} to restore`)
  return await contentOf(workspace, memory, newest)
}

/** A restore is cut in the middle of its swap, and then what would finish it is struck too. */
export async function recover(scene: Scene, go: Go): Promise<Ended> {
  return await restoring(scene, 'files', async () => {
    const killAt: KillOrder = {
      phase: 'cut',
      on: 'rename',
      match: 'holdfast-previous',
      when: 'after',
      nth: 1,
      victim: 'self',
      delay: 0,
      log: scene.workspace.at('cut'),
    }
    const cut = await run(['restore', 'main/files', '--yes'], { cwd: scene.workspace.root, killAt })
    if (!cut.hit) throw new LawBroken(`a restore did not get to its swap: ${cut.stderr}`)
    return await go(FINISH)
  })
}

/** A restore that is complete and owes its baseline; the backup that is to release it is struck. */
export async function release(scene: Scene, go: Go): Promise<Ended> {
  await settle(scene)
  await scene.workspace.mutate()
  await remember(scene.workspace, scene.memory)
  await well(scene, ['restore', 'main/files', '--yes'])
  return await go(['backup', 'create', 'main/files'])
}
