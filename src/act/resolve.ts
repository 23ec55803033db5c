import { type Choice, chooseBackup, chooseBackups } from '../core/choose.ts'
import type { Copy } from '../core/model.ts'
import type { History } from '../core/observed.ts'
import { knownJobs, parseReference, type Reference } from '../core/reference.ts'
import { restorePins } from '../core/restore-pins.ts'
import { parseRestoreRequest } from '../core/restore-request.ts'
import { wholeJob } from '../core/whole-job.ts'
import { messageOf, RestoreFailed } from '../lib/errors.ts'
import { unreachable } from '../lib/unreachable.ts'
import { openSource, type World } from '../observe/world.ts'
import { realOf, within } from '../platform/paths.ts'
import { type Archive, archiveOfCopy, archiveOfFile } from './archive.ts'
import { archiveOfObject } from './archive-object.ts'
import { ownPaths } from './backup.ts'
import { onlyFitting, type Place, placeNamed, placeOf, sourceFor } from './place.ts'
import type { RestoreOrder } from './restore-order.ts'

/** An order into the source itself, as a boot restore always is. */
export type PlacedOrder = RestoreOrder & { readonly place: Place }

export interface RestoreOptions {
  readonly to: string | null
  readonly only: string | null
  readonly force: boolean
  readonly direct: boolean
}

/** Resolves the value of the boot variable. Throws `RestoreFailed`, and whatever tells why, without touching anything. */
export async function resolveRequest(
  value: string,
  world: World,
  signal: AbortSignal,
): Promise<PlacedOrder> {
  const request = parseRestoreRequest(value)
  switch (request.kind) {
    case 's3':
      return placed(
        await orderOf(await archiveOfObject(request.object, world, signal), value, world),
      )
    case 'file': {
      const archive = await archiveOfFile(request.path, world, signal)
      return placed(await orderOf(archive, value, world))
    }
    case 'reference': {
      const options = { to: null, only: null, force: false, direct: false }
      return placed(await resolveReference(request.text, options, world, signal), 'boot')
    }
    default:
      return unreachable(request)
  }
}

function placed(order: RestoreOrder, by: RestoreOrder['by'] = 'boot'): PlacedOrder {
  if (order.place === null)
    throw new RestoreFailed(`${order.reference} belongs to no declared source`)
  return { ...order, by, place: order.place }
}

/** Resolves a reference of the command line; its copies are tried in order of trust. */
export async function resolveReference(
  text: string,
  options: RestoreOptions,
  world: World,
  signal: AbortSignal,
): Promise<RestoreOrder> {
  if (options.to?.startsWith('/')) await refuseOurs(options.to, world)
  const asked = await read(text, options, world)
  return await orderFor(chooseBackup(asked.history, asked.reference), asked, world, signal)
}

/** What a reference means, in the order in which it is restored. */
export interface Resolved {
  /** At least one, all of the same job. */
  readonly orders: readonly RestoreOrder[]
  /** Sources of the job that are left as they are, and why. */
  readonly leftOut: readonly string[]
}

/**
 * Resolves a reference that may name a job of several sources: all of them, as the file declares them.
 * What goes elsewhere, in part, or into live data takes one alone.
 */
export async function resolveAll(
  text: string,
  options: RestoreOptions,
  world: World,
  signal: AbortSignal,
): Promise<Resolved> {
  const one = async () => ({
    orders: [await resolveReference(text, options, world, signal)],
    leftOut: [],
  })
  if (options.to !== null || options.only !== null || options.direct) return await one()
  const asked = await read(text, options, world)
  const choices = chooseBackups(asked.history, asked.reference)
  const job = world.desired.jobs.find(
    ({ id, renamedFrom }) => asked.reference.job === id || asked.reference.job === renamedFrom,
  )
  if (asked.reference.source !== null || job === undefined) return await one()
  const { chosen, undeclared, without } = wholeJob(choices, job.sources)
  if (chosen.length === 0) return await one()
  const orders: RestoreOrder[] = []
  for (const choice of chosen) orders.push(await orderFor(choice, asked, world, signal))
  return {
    orders,
    leftOut: [
      ...undeclared.map((name) => `${job.id}/${name} is not declared any more`),
      ...without.map((name) => `${job.id}/${name} has no such backup`),
    ],
  }
}

/** A reference as it was read, and what it was read with. */
interface Asked {
  readonly text: string
  readonly options: RestoreOptions
  readonly history: History
  readonly reference: Reference
}

async function read(text: string, options: RestoreOptions, world: World): Promise<Asked> {
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

/** The manifest decides whose archive it is; without one, the only source of a fitting type. */
async function orderOf(archive: Archive, reference: string, world: World): Promise<RestoreOrder> {
  const place = archive.manifest
    ? placeNamed(archive.manifest, world)
    : await onlyFitting(archive, world)
  const source = await openSource(world, place.job, place.source)
  const { copies } = await world.store.history({ depth: 'full', jobs: [place.job.id] })
  const backup = archive.manifest?.backup
  return {
    reference,
    by: 'boot',
    archive,
    others: [],
    source,
    place,
    to: null,
    only: null,
    force: false,
    direct: false,
    pins: backup ? restorePins(backup, onDeclared(withOwn(copies, archive), world)) : [],
  }
}

/** With nothing but a config there is no history, and the copy restored from is to be pinned all the same. */
function withOwn(copies: readonly Copy[], { copy }: Archive): readonly Copy[] {
  const isKnown = copies.some(({ key, target }) => key === copy?.key && target === copy.target)
  return copy === null || isKnown ? copies : [...copies, copy]
}

/** A pin is an object on the target: on one that the file does not name, nothing can be pinned nor pruned. */
function onDeclared(copies: readonly Copy[], world: World): readonly Copy[] {
  const declared = new Set(world.desired.targets.map(({ id }) => id))
  return copies.filter(({ target }) => declared.has(target))
}
