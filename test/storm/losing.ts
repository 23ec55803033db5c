import { readdir, rm } from 'node:fs/promises'
import type { Ended } from '../support/processes.ts'
import { digestFile } from './digest.ts'
import { LawBroken } from './laws.ts'
import { remember } from './memory.ts'
import { fileOf, objectsOf } from './objects.ts'
import { readRows } from './rows.ts'
import { type Go, type Scene, settle, well } from './scene.ts'

/** The state is lost, and the reading of the manifests is struck half-way. */
export async function adopt(scene: Scene, go: Go): Promise<Ended> {
  const { workspace } = scene
  await settle(scene)
  await loseState(scene)
  const ended = await go(['state', 'adopt'])
  await checkAdopted(scene)
  await remember(workspace, scene.memory)
  return ended
}

/** Deletes the state. What nothing can prove ours any more is foreign from here on. */
export async function loseState({ workspace, memory, tell }: Scene): Promise<void> {
  tell('  the state is lost')
  for (const suffix of ['', '-wal', '-shm']) {
    await rm(workspace.at('data', `state.db${suffix}`), { force: true })
  }
  for (const name of await readdir(workspace.at('live'))) {
    if (name.includes('.holdfast-')) memory.litter.add(name)
  }
  const objects = new Set(await objectsOf(workspace))
  for (const path of objects) {
    const isProven =
      objects.has(`${path}.manifest.json`) ||
      (path.endsWith('.manifest.json') && objects.has(path.slice(0, -'.manifest.json'.length)))
    // A manifest may prove the attempt ours whose beginning of another object this is; pins are free.
    const isOpen = path.endsWith('.part') || path.endsWith('.pin.json')
    if (isOpen && !memory.foreign.has(path)) memory.unproven.add(path)
    else if (!isProven)
      memory.foreign.set(path, (await digestFile(await fileOf(workspace, path))).sha256)
  }
}

interface PlannedAction {
  readonly target?: string
  readonly drop?: readonly { readonly storagePath: string }[]
}

/** Every archive with its manifest is history again, and the plan deletes none of the newest. */
export async function checkAdopted(scene: Scene): Promise<void> {
  const { workspace, memory } = scene
  await well(scene, ['state', 'adopt'])
  const known = new Set(
    readRows(workspace)
      .copies.filter(({ status }) => status === 'complete')
      .map(({ target, key }) => `${target}/${key}`),
  )
  const suffix = '.manifest.json'
  const there = (await objectsOf(workspace))
    .filter((path) => path.endsWith(suffix) && !memory.foreign.has(path))
    .map((path) => path.slice(0, -suffix.length))
  const lost = there.filter((path) => !known.has(path))
  if (lost.length > 0) throw new LawBroken(`not adopted: ${lost.join(', ')}`)
  const { stdout } = await well(scene, ['plan', '--json'])
  const { actions } = JSON.parse(stdout) as { actions: readonly PlannedAction[] }
  const dropped = new Set(
    actions.flatMap(({ target, drop = [] }) =>
      drop.map(({ storagePath }) => `${target}/${storagePath}`),
    ),
  )
  const newest = Map.groupBy(readRows(workspace).copies, (one) => `${one.target} ${one.group_id}`)
  for (const copies of newest.values()) {
    const sorted = copies.toSorted((one, other) => other.taken_at - one.taken_at)
    const wrong = sorted.slice(0, 3).find(({ target, key }) => dropped.has(`${target}/${key}`))
    if (wrong) throw new LawBroken(`after adopt the plan would prune ${wrong.key}`)
  }
}
