import { readFile } from 'node:fs/promises'
import type { Workspace } from '../support/workspace.ts'
import { digestFile, digestLive } from './digest.ts'
import { fileOf, objectsOf } from './objects.ts'

/** What the storm knows of a workspace by itself, to hold the product against. */
export interface Memory {
  /** Digests that the live directory had at any time. */
  readonly trees: Set<string>
  /** Digests of the database at moments when nobody wrote. */
  readonly databases: Set<string>
  /** What an archive holds, by its sha256; each is opened once. */
  readonly contents: Map<string, string>
  /** Objects that are not ours, by path, with what they hold. */
  readonly foreign: Map<string, string>
  /** Pins and beginnings of objects of which a lost state knew: nobody has to remove them, or to keep them. */
  readonly unproven: Set<string>
  /** What lies beside the live data and belongs to a restore that a lost state knew. */
  readonly litter: Set<string>
  /** Whether nothing can be left of a struck process: the last one was not, and finished it all. */
  settled: boolean
  /** Whether the database was ever archived while somebody wrote to it. */
  wrote: boolean
}

export function newMemory(): Memory {
  return {
    trees: new Set(),
    databases: new Set(),
    contents: new Map(),
    foreign: new Map(),
    unproven: new Set(),
    litter: new Set(),
    settled: false,
    wrote: false,
  }
}

/** Remembers the live data as it is now: whatever is archived or restored must be such a state. */
export async function remember(workspace: Workspace, memory: Memory): Promise<void> {
  memory.trees.add(await digestLive(workspace, 'files'))
  if (!workspace.isWriting()) memory.databases.add(await digestLive(workspace, 'app.db'))
}

/** Puts objects of others among ours: they look like ours and must stay as they are. */
export async function placeForeign(workspace: Workspace, memory: Memory): Promise<void> {
  const group = 'system/main/files'
  const manifest = { version: 1, deployment: 'another', key: 'x' }
  const other = `${group}/2020-01-02T00-00-00-000Z.tar.zst`
  for (const shelf of workspace.shelves) {
    await shelf.put(`${group}/notes.txt`, 'keep me')
    await shelf.put(`${group}/2020-01-01T00-00-00-000Z.tar.zst`, 'no manifest')
    await shelf.put(other, 'other')
    await shelf.put(`${other}.manifest.json`, JSON.stringify(manifest))
    await shelf.put(`${group}/.theirs.tar.zst.unknown.part`, 'not our token')
    await shelf.put('top', 'at the top')
    await shelf.putOddity(group)
  }
  for (const path of await objectsOf(workspace)) {
    memory.foreign.set(path, (await digestFile(await fileOf(workspace, path))).sha256)
  }
}

/** Lines that the exported program has made durable: one for each time that it really ran. */
export async function realRuns(workspace: Workspace): Promise<ReadonlySet<string>> {
  const text = await readFile(workspace.at('live', 'ran'), 'utf8').catch(() => '')
  return new Set(text.split('\n').filter(Boolean))
}
