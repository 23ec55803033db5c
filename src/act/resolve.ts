import { type Choice, chooseBackup, chooseBackups } from '../core/choose.ts'
import type { Copy } from '../core/model.ts'
import type { History } from '../core/observed.ts'
import { knownJobs, parseReference, type Reference } from '../core/reference.ts'
import { restorePins } from '../core/restore-pins.ts'
import { meansAll, wholeJob } from '../core/whole-job.ts'
import { messageOf, RestoreFailed } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { realOf, within } from '../platform/paths.ts'
import { archiveOfCopy } from './archive.ts'
import { ownPaths } from './backup.ts'
import { type Place, placeOf, placeOfJob, sourceFor } from './place.ts'
import type { RestoreOrder } from './restore-order.ts'

export interface RestoreOptions {
  readonly to: string | null
  readonly only: string | null
  readonly force: boolean
  readonly direct: boolean
}

/** Resolves a reference of the command line; its copies are tried in order of trust. */
export async function resolveReference(
  text: string,
  options: RestoreOptions,
  world: World,
  signal: AbortSignal,
): Promise<RestoreOrder> {
  const asked = await read(text, options, world)
  return await orderFor(chooseBackup(asked.history, asked.reference), asked, world, signal)
}

/** What a reference means. */
export interface Resolved {
  /** At least one, all of the same job, in the order in which they are restored. */
  readonly orders: readonly RestoreOrder[]
  /** Sources of the job that are left as they are, and why; null when one backup alone was named. */
  readonly leftOut: readonly string[] | null
}

/**
 * Resolves a reference that may name a job of several sources: all of them. What goes elsewhere, in
 * part, into live data or past a refusal takes one alone.
 */
export async function resolveAll(
  text: string,
  options: RestoreOptions,
  world: World,
  signal: AbortSignal,
): Promise<Resolved> {
  const asked = await read(text, options, world)
  const { history, reference } = asked
  const choices = chooseBackups(history, reference)
  const job = placeOfJob(reference.job, world)
  const isOne = options.to !== null || options.only !== null || options.direct || options.force
  const sources = job?.sources ?? []
  const { chosen, undeclared, without } = wholeJob(choices, sources)
  if (isOne || !meansAll(reference, choices, sources) || chosen.length === 0) {
    return {
      orders: [await orderFor(chooseBackup(history, reference), asked, world, signal)],
      leftOut: null,
    }
  }
  const orders: RestoreOrder[] = []
  for (const choice of chosen) orders.push(await orderFor(choice, asked, world, signal))
  const isLatest = reference.which.kind === 'latest'
  const lacks = isLatest ? 'has no backup that could be restored' : 'has no such backup'
  const nameIn = (name: string) => `${reference.job}/${name}`
  return {
    orders,
    leftOut: [
      ...undeclared.map((name) => `${nameIn(name)} is not declared any more`),
      ...without.map((name) => `${nameIn(name)} ${lacks}`),
    ],
  }
}

/**
 * The same order, its archive opened again, whichever copy is there still. Throws when none is: one may
 * have been pruned while nobody held the job.
 */
export async function openedAgain(
  order: RestoreOrder,
  world: World,
  signal: AbortSignal,
): Promise<RestoreOrder> {
  const { archive, others } = order
  if (archive.copy === null) return order
  return { ...order, ...(await firstReadable([archive.copy, ...others], world, signal)) }
}

/** A reference as it was read, and what it was read with. */
interface Asked {
  readonly text: string
  readonly options: RestoreOptions
  readonly history: History
  readonly reference: Reference
}

async function read(text: string, options: RestoreOptions, world: World): Promise<Asked> {
  if (options.to?.startsWith('/')) await refuseOurs(options.to, world)
  const history = await world.store.history({ depth: 'full', jobs: null })
  const reference = parseReference(text, knownJobs(world.desired.jobs, history))
  return { text, options, history, reference }
}

async function orderFor(
  choice: Choice,
  { text, options, history }: Asked,
  world: World,
  signal: AbortSignal,
): Promise<RestoreOrder> {
  const place = placeOf(choice.backup.job, choice.backup.source, world)
  const copies = inTargetOrder(choice.copies, place)
  const { archive, others } = await firstReadable(copies, world, signal)
  if (place === null && options.to === null) {
    throw new RestoreFailed(
      `${choice.backup.job}/${choice.backup.source} is not declared any more`,
      {
        hint: `restore it elsewhere with: holdfast restore ${text} --to PATH`,
      },
    )
  }
  const source = await sourceFor(archive, place, options.to, world)
  if (options.direct && place?.source.kind !== 'postgres') {
    throw new RestoreFailed(`${text} cannot be restored in place: only a PostgreSQL database can`, {
      hint: 'leave --in-place out: the data is replaced all or nothing',
    })
  }
  const pins = restorePins(choice.backup.id, onDeclared(history.copies, world))
  return {
    ...options,
    reference: text,
    by: 'command',
    archive,
    others,
    source,
    place,
    pins: options.to === null ? pins : [],
  }
}

/** Whatever the source is: a file in data_dir or on a target would be taken for ours, and swept. */
async function refuseOurs(to: string, world: World): Promise<void> {
  const path = await realOf(to)
  for (const ours of ownPaths(world)) {
    if (within(await realOf(ours), path) === null) continue
    throw new RestoreFailed(`cannot restore to ${to}: it lies in ${ours}, which is in use`, {
      at: to,
      hint: 'name a place outside data_dir, scratch_dir and the targets',
    })
  }
}

/** As the job names its targets, what failed to verify last: each is proven before it replaces anything. */
function inTargetOrder(copies: readonly Copy[], place: Place | null): readonly Copy[] {
  const targets = place?.job.targets.map(({ target }) => target) ?? []
  const rank = ({ target, verify }: Copy) => {
    const index = targets.indexOf(target)
    return (
      (verify === 'failed' ? copies.length + targets.length : 0) +
      (index < 0 ? targets.length : index)
    )
  }
  return copies.toSorted((one, other) => rank(one) - rank(other))
}

/** The first of these copies of one backup that can be opened, and those after it. Throws when there is none. */
export async function firstReadable(
  copies: readonly Copy[],
  world: World,
  signal: AbortSignal,
): Promise<Pick<RestoreOrder, 'archive' | 'others'>> {
  const failures: string[] = []
  for (const [index, copy] of copies.entries()) {
    try {
      const archive = await archiveOfCopy(copy, world, signal)
      return { archive, others: copies.slice(index + 1) }
    } catch (error) {
      signal.throwIfAborted()
      if (copies.length === 1) throw error
      failures.push(`${copy.target}: ${messageOf(error)}`)
    }
  }
  throw new RestoreFailed(`no copy of ${copies[0]?.backup} can be read: ${failures.join('; ')}`, {
    hint: 'mend a target that is away, or choose another backup with: holdfast backup list',
  })
}

/** A pin is an object on the target: on one that the file does not name, nothing can be pinned nor pruned. */
export function onDeclared(copies: readonly Copy[], world: World): readonly Copy[] {
  const declared = new Set(world.desired.targets.map(({ id }) => id))
  return copies.filter(({ target }) => declared.has(target))
}
