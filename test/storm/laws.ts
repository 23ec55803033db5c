import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Workspace } from '../support/workspace.ts'
import { digestArchive, digestFile } from './digest.ts'
import { type Memory, realRuns } from './memory.ts'
import { fileOf, objectsOf } from './objects.ts'
import { type BackupRow, type CopyRow, type Rows, readRows } from './rows.ts'

/** A promise of the design that did not hold. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken'
}

/** Throws `LawBroken` unless there is nothing to tell. */
export function broken(law: string, details: readonly string[]): void {
  if (details.length > 0) throw new LawBroken(`${law}:\n  ${details.join('\n  ')}`)
}

/** What must hold whatever happened, once Holdfast was started again. */
export async function checkLaws(workspace: Workspace, memory: Memory): Promise<void> {
  const rows = readRows(workspace)
  broken('a lease is held by nobody', await heldLeases(workspace))
  broken('a copy is not what its row says', await falseCopies(workspace, rows))
  broken('a success is none', falseSuccesses(workspace, rows))
  broken('a slot succeeded twice', doubleSlots(rows))
  broken('an object of others was touched', await touchedForeign(workspace, memory))
  broken('a good copy is lost', lostCopies(workspace, rows))
  broken('an archive holds something else', await wrongContents(workspace, memory, rows))
}

/** What a daemon must have put in order, once it is gone. */
export async function checkOrder(workspace: Workspace, memory: Memory): Promise<void> {
  broken('something is stuck', await stuck(workspace, memory))
  broken('an archive is in no row', await unknownManifests(workspace, memory, readRows(workspace)))
}

/** What is still under way or left lying about, in words; nothing when all has settled. */
export async function stuck(workspace: Workspace, memory: Memory): Promise<readonly string[]> {
  const rows = readRows(workspace)
  const open = ['pending', 'running']
  const objects = await objectsOf(workspace)
  const beside = await readdir(workspace.at('live'))
  // A baseline whose attempt was cut short is owed by the next slot, or the next command.
  const owed = rows.restores.some((one) => one.status === 'success' && one.released === 0)
  const scratch = await readdir(workspace.at('data', 'scratch'), { recursive: true }).catch(
    () => [],
  )
  const archives = new Set(objects)
  const ours = new Set(rows.copies.map(({ target, key }) => `${target}/${key}`))
  return [
    ...rows.runs.filter(({ status }) => open.includes(status)).map(({ id }) => `run ${id}`),
    ...rows.backups.filter(({ status }) => open.includes(status)).map(({ id }) => `backup ${id}`),
    ...rows.restores.filter(({ status }) => open.includes(status)).map(({ id }) => `restore ${id}`),
    // A daemon that still lets go of one is not at rest, though another's pins may be owed.
    ...rows.restores
      .filter((one) => one.status === 'failed' && one.in_place === 1 && one.released === 0)
      .map(({ id }) => `failed restore not let go ${id}`),
    ...rows.copies.filter(({ status }) => status === 'writing').map(({ key }) => `writing ${key}`),
    ...rows.journal.map((body) => `journal ${body}`),
    ...objects
      .filter((path) => path.endsWith('.part'))
      .filter((path) => !memory.foreign.has(path) && !memory.unproven.has(path))
      .map((path) => `part ${path}`),
    ...objects
      .filter((path) => ours.has(path) && !archives.has(`${path}.manifest.json`))
      .map((path) => `archive without manifest ${path}`),
    ...objects
      .filter((path) => path.endsWith('.pin.json') && !memory.unproven.has(path) && !owed)
      .map((path) => `pin ${path}`),
    ...beside
      .filter((name) => name.includes('.holdfast-') && !memory.litter.has(name))
      .filter((name) => !(owed && name.includes('.holdfast-previous-')))
      .map((name) => `beside the data ${name}`),
    // The folder of this data_dir stays; what is in it is of somebody at work.
    ...scratch.filter((name) => name.includes('/')).map((name) => `scratch ${name}`),
  ]
}

/** With every process gone, each lock must be free to take. */
async function heldLeases(workspace: Workspace): Promise<readonly string[]> {
  const folder = workspace.at('data', 'leases')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.db'))
  const lives = await readdir(join(folder, 'instances'))
  return [
    ...names.filter((name) => isLocked(join(folder, name))),
    ...lives.map((name) => `instance ${name}`),
  ]
}

function isLocked(path: string): boolean {
  try {
    using database = new DatabaseSync(path, { timeout: 0 })
    database.exec('begin exclusive; rollback')
    return false
  } catch {
    return true
  }
}

/** Bytes and sha256 as told, and a manifest beside that says the same. */
async function falseCopies(workspace: Workspace, rows: Rows): Promise<readonly string[]> {
  const found: string[] = []
  for (const copy of rows.copies) {
    if (copy.status === 'missing') found.push(`${copy.target}/${copy.key} is missing`)
    if (copy.status !== 'complete') continue
    const wrong = await differs(workspace, copy).catch((error: unknown) => String(error))
    if (wrong !== null) found.push(`${copy.target}/${copy.key}: ${wrong}`)
  }
  return found
}

async function differs(workspace: Workspace, copy: CopyRow): Promise<string | null> {
  const path = `${copy.target}/${copy.key}`
  const { bytes, sha256 } = await digestFile(await fileOf(workspace, path))
  if (bytes !== copy.bytes || sha256 !== copy.sha256) return `it has ${bytes} bytes, ${sha256}`
  const beside = await fileOf(workspace, `${path}.manifest.json`)
  const manifest = JSON.parse(await readFile(beside, 'utf8'))
  const { stored, backup, key } = manifest
  const same =
    stored.bytes === bytes && stored.sha256 === sha256 && backup === copy.backup && key === copy.key
  return same ? null : `its manifest speaks of ${key}, ${stored.bytes} bytes, ${stored.sha256}`
}

/** Of each success as many copies are, or were until they were pruned, as its job requires. */
function falseSuccesses(workspace: Workspace, rows: Rows): readonly string[] {
  return rows.backups
    .filter(({ status }) => status === 'success')
    .filter(({ id, job }) => {
      const good = rows.copies.filter(
        ({ backup, status }) => backup === id && (status === 'complete' || status === 'pruned'),
      )
      return good.length < (job === 'main' ? workspace.traits().quorum : 1)
    })
    .map(({ id, source }) => `backup ${id} of ${source}`)
}

function doubleSlots(rows: Rows): readonly string[] {
  const seen = new Set<string>()
  return rows.backups
    .filter(({ status, slot }) => status === 'success' && slot !== null)
    .flatMap(({ job, source, slot }) => {
      const name = `${job}/${source} ${slot}`
      if (seen.has(name)) return [name]
      seen.add(name)
      return []
    })
}

async function touchedForeign(workspace: Workspace, memory: Memory): Promise<readonly string[]> {
  const found: string[] = []
  for (const [path, sha256] of memory.foreign) {
    const now = await fileOf(workspace, path)
      .then(digestFile)
      .catch(() => null)
    if (now?.sha256 !== sha256) found.push(`${path} is ${now === null ? 'gone' : 'changed'}`)
  }
  return found
}

/** Retention may take what is older than the newest that any config kept, and nothing else. */
function lostCopies(workspace: Workspace, rows: Rows): readonly string[] {
  const whole = (copy: CopyRow) => copy.status === 'complete' || copy.status === 'pruned'
  const places = Map.groupBy(rows.copies.filter(whole), (one) => `${one.target} ${one.group_id}`)
  return [...places.values()].flatMap((copies) =>
    copies
      .toSorted((one, other) => other.taken_at - one.taken_at)
      .slice(0, workspace.traits().floor)
      .filter(({ status }) => status !== 'complete')
      .map(({ target, key }) => `${target}/${key} was pruned`),
  )
}

/** Each archive opened once by stock programs, and held against what the storm saw itself. */
async function wrongContents(
  workspace: Workspace,
  memory: Memory,
  rows: Rows,
): Promise<readonly string[]> {
  const sources = new Map(rows.backups.map((one) => [one.id, one]))
  const ran = await realRuns(workspace)
  const found: string[] = []
  const taken = new Map<string, string>()
  for (const copy of rows.copies.filter(({ status }) => status === 'complete')) {
    const backup = sources.get(copy.backup)
    if (backup?.job !== 'main' || copy.sha256 === null) continue
    const content = await contentOf(workspace, memory, copy)
    const wrong = judge(memory, ran, backup, content)
    if (wrong !== null) found.push(`${copy.target}/${copy.key}: ${wrong}`)
    const other = taken.get(content)
    if (backup.source === 'export' && other !== undefined && other !== backup.id)
      found.push(`backups ${other} and ${backup.id} hold one and the same run`)
    taken.set(content, backup.id)
  }
  return found
}

/** What an archive holds, restored by stock programs. */
export async function contentOf(
  workspace: Workspace,
  memory: Memory,
  copy: Pick<CopyRow, 'target' | 'key' | 'sha256'>,
): Promise<string> {
  const name = copy.sha256 ?? ''
  const known = memory.contents.get(name)
  if (known !== undefined) return known
  const content = await digestArchive(workspace, copy)
  memory.contents.set(name, content)
  return content
}

function judge(
  memory: Memory,
  ran: ReadonlySet<string>,
  { source }: BackupRow,
  content: string,
): string | null {
  if (source === 'files') return memory.trees.has(content) ? null : 'a tree that never was'
  if (source === 'export') return ran.has(content) ? null : `a run that never was: ${content}`
  // With a writer at work nobody else sees each state; that it is not torn was seen when it was read.
  return memory.wrote || memory.databases.has(content) ? null : 'a database that never was'
}

/** After a look at whole targets each manifest of ours is in the history. */
export async function unknownManifests(
  workspace: Workspace,
  memory: Memory,
  rows: Rows,
): Promise<readonly string[]> {
  const complete = new Set(
    rows.copies
      .filter(({ status }) => status === 'complete')
      .map(({ target, key }) => `${target}/${key}.manifest.json`),
  )
  return (await objectsOf(workspace)).filter(
    (path) => path.endsWith('.manifest.json') && !memory.foreign.has(path) && !complete.has(path),
  )
}
