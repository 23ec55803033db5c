import type { Workspace } from '../support/workspace.ts'
import { broken } from './laws.ts'
import type { Memory } from './memory.ts'
import { objectsOf } from './objects.ts'
import { type CopyRow, integrityOf, type Rows, readRows } from './rows.ts'

/** What must hold beside the laws of every storm, once Holdfast was started again. */
export function checkFarLaws(workspace: Workspace): void {
  const rows = readRows(workspace)
  const integrity = integrityOf(workspace)
  broken('the state is torn', integrity === 'ok' ? [] : [integrity])
  broken('a sound copy is called damaged', falseVerdicts(rows))
  broken('the newest verified copy is gone', lostProofs(rows))
}

/** No archive is ever damaged here: what could not be read has no verdict. */
function falseVerdicts({ copies }: Rows): readonly string[] {
  return copies.filter(({ verify }) => verify === 'failed').map(nameOf)
}

function lostProofs({ copies }: Rows): readonly string[] {
  const proven = copies.filter(({ verify, status }) => verify === 'ok' && WHOLE.has(status))
  const places = Map.groupBy(proven, (one) => `${one.target} ${one.group_id}`)
  return [...places.values()].flatMap((all) =>
    all
      .toSorted((one, other) => other.taken_at - one.taken_at)
      .slice(0, 1)
      .filter(({ status }) => status !== 'complete')
      .map(nameOf),
  )
}

const WHOLE: ReadonlySet<string> = new Set(['complete', 'pruned'])

/** What a pass must have put in order beside all else: nothing unknown is there, nothing is lacking. */
export async function disorder(workspace: Workspace, memory: Memory): Promise<readonly string[]> {
  const rows = readRows(workspace)
  return [...(await strays(workspace, memory, rows)), ...lacking(workspace, rows)]
}

/** Objects that are neither of others nor a whole copy: archives without manifest, parts, uploads. */
async function strays(
  workspace: Workspace,
  memory: Memory,
  { copies, restores }: Rows,
): Promise<readonly string[]> {
  const complete = copies.filter(({ status }) => status === 'complete').map(nameOf)
  const known = new Set(complete.flatMap((name) => [name, `${name}.manifest.json`]))
  const owed = restores.some(({ status, released }) => status === 'success' && released === 0)
  return (await objectsOf(workspace))
    .filter((path) => !known.has(path) && !memory.foreign.has(path))
    .filter((path) => !(owed && path.endsWith('.pin.json')))
    .map((path) => `stray ${path}`)
}

/** The newest backups of a source are on every target. */
function lacking(workspace: Workspace, { backups, copies }: Rows): readonly string[] {
  const good = backups.filter(({ status }) => status === 'success')
  return [...Map.groupBy(good, ({ source }) => source).values()].flatMap((all) =>
    all
      .toSorted((one, other) => other.started_at - one.started_at)
      .slice(0, workspace.traits().floor)
      .flatMap(({ id, source }) =>
        workspace.shelves
          .filter(({ name }) => !copies.some((one) => isWhole(one, id, name)))
          .map(({ name }) => `${name} lacks ${source} of ${id}`),
      ),
  )
}

function isWhole({ backup, target, status }: CopyRow, id: string, shelf: string): boolean {
  return backup === id && target === shelf && status === 'complete'
}

function nameOf({ target, key }: CopyRow): string {
  return `${target}/${key}`
}
