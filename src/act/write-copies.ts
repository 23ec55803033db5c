import type { Backup, Bytes, Copy, DesiredJob, DesiredSource, TargetId } from '../core/model.ts'
import { Failure, Interrupted, messageOf, TargetUnreachable } from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import type { Dump, SourceReport } from '../sources/source.ts'
import { fanOut, type Stalls } from '../stream/fan-out.ts'
import type { Reading } from '../stream/meter.ts'
import { seal } from '../stream/seal.ts'
import type { Stored } from '../targets/target.ts'
import {
  type Content,
  type Edition,
  type EditionBody,
  editionBodies,
  editionsOf,
  sharedKeys,
} from './editions.ts'
import { stopsFor } from './stops.ts'

export interface Writing {
  readonly backup: Backup
  readonly job: DesiredJob
  readonly source: DesiredSource
  readonly content: Content
  readonly dump: Dump
}

/** An archive as it lies on its targets, with no manifest yet. */
export interface Written {
  readonly report: SourceReport
  readonly copies: readonly WrittenCopy[]
}

/** An edition of which all is known. */
export type WrittenEdition = Edition & { readonly stored: Reading }

export type WrittenCopy = { readonly target: TargetId; readonly edition: WrittenEdition } & (
  | { readonly kind: 'stored'; readonly stored: Stored }
  | { readonly kind: 'failed'; readonly error: unknown }
)

/**
 * Reads the source once and writes to every target of the job at once. A target that fails or hangs
 * is dropped and does not stop the others; throws when the source fails or every target does.
 */
export async function writeCopies(
  writing: Writing,
  world: World,
  signal: AbortSignal,
): Promise<Written> {
  const { backup, job, content, dump } = writing
  const editions = await editionsOf(backup, content, job, writing.source)
  let report: SourceReport | null = null
  const expected = await lastSize(backup, world)
  const sealed = seal(
    dump.content,
    {
      layer: content.layer,
      compression: job.compression,
      encryption: sharedKeys(editions),
      threads: world.desired.limits.zstdThreads,
      nice: world.desired.limits.nice,
      throttle: world.throttle,
      onBytes: (bytes) =>
        world.progress({
          what: 'backup',
          subject: `${job.id}/${backup.source}`,
          bytes,
          total: expected,
          done: false,
        }),
    },
    async (exit) => {
      report = await dump.finish(exit)
    },
    signal,
  )
  const bodies = editionBodies(sealed, editions, signal)
  const copies = await writeAll({ backup, bodies, expected }, world, signal)
  await sealed.outcome.catch((error) => {
    // When every target let go, what stopped the stream is what stopped the targets.
    throw error instanceof Interrupted && !signal.aborted ? allFailed(copies) : error
  })
  if (!report) throw new Error('the source was never asked whether its copy is complete')
  if (copies.every(({ kind }) => kind === 'failed')) throw allFailed(copies)
  return { report, copies: await finished(copies, bodies) }
}

interface AllWriting {
  readonly backup: Backup
  readonly bodies: readonly EditionBody[]
  readonly expected: number | null
}

/** Every edition to each of its targets, all at once. */
async function writeAll(
  { backup, bodies, expected }: AllWriting,
  world: World,
  signal: AbortSignal,
): Promise<readonly Try[]> {
  const tries = bodies.flatMap(({ edition }) => edition.targets)
  using stops = stopsFor(tries.length)
  let index = 0
  const works = bodies.flatMap(({ edition, body }) => {
    const from = index
    index += edition.targets.length
    const onStall: Stalls['onStall'] = (at, error) => stops.onStall(from + at, error)
    const shares = fanOut(body, edition.targets.length, { onStall })
    return edition.targets.map(async (target, at): Promise<Try> => {
      const share = shares[at]
      if (!share) throw new Error('fan-out gave too few bodies')
      const limited = stops.signalOf(from + at, signal)
      const writing = { backup, edition, target, body: share, expected }
      const copy = await writeCopy(writing, world, limited)
      if (copy.kind === 'stored') stops.onStored()
      return copy
    })
  })
  return await Promise.all(works)
}

/** The copies with what is known of their editions now, each held to its edition's size. */
async function finished(
  copies: readonly Try[],
  bodies: readonly EditionBody[],
): Promise<readonly WrittenCopy[]> {
  const whole = new Map<Edition, WrittenEdition>()
  for (const { edition, reading } of bodies) {
    // An edition that no target took to its end was never read to it either.
    const isStored = copies.some((copy) => copy.edition === edition && copy.kind === 'stored')
    const stored = isStored ? await reading() : NOTHING
    whole.set(edition, { ...edition, stored })
  }
  return copies.map((copy) => {
    const edition = whole.get(copy.edition)
    if (!edition) throw new Error('a copy of no edition')
    return checkSize({ ...copy, edition }, edition.stored.bytes)
  })
}

const NOTHING: Reading = { bytes: 0 as Bytes, sha256: '' }

/** What the newest success of the same source came to: the best guess at what is to come. */
async function lastSize({ job, group }: Backup, world: World): Promise<number | null> {
  const { backups } = await world.store.history({ depth: 'recent', jobs: [job] })
  const sizes = backups
    .filter((one) => one.group === group && one.status === 'success')
    .toSorted((a, b) => b.startedAt - a.startedAt)
  return sizes[0]?.storedBytes ?? null
}

/** What came of writing one copy. */
type Try = { readonly target: TargetId; readonly edition: Edition } & (
  | { readonly kind: 'stored'; readonly stored: Stored }
  | { readonly kind: 'failed'; readonly error: unknown }
)

interface CopyWriting {
  readonly backup: Backup
  readonly edition: Edition
  readonly target: TargetId
  readonly body: AsyncIterable<Uint8Array>
  /** Bytes likely to come. */
  readonly expected: number | null
}

async function writeCopy(
  { backup, edition, target, body, expected }: CopyWriting,
  world: World,
  signal: AbortSignal,
): Promise<Try> {
  const { key } = edition
  const copy: Copy = {
    backup: backup.id,
    target,
    group: backup.group,
    key,
    status: 'writing',
    bytes: null,
    sha256: null,
    readback: null,
    takenAt: backup.startedAt,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
  }
  try {
    // The row is there before the first byte, so that whatever a kill leaves is proven ours.
    await world.store.saveCopy(copy)
    const opened = await openTarget(world, target)
    const stored = await opened.put(key, body, { token: backup.id, expected }, signal)
    return { target, edition, kind: 'stored', stored }
  } catch (error) {
    // Tells the fan-out that nobody reads on.
    await body[Symbol.asyncIterator]()
      .return?.()
      .catch(() => {})
    await world.store.saveCopy({ ...copy, status: 'failed', error: messageOf(error) })
    return { target, edition, kind: 'failed', error }
  }
}

function checkSize(copy: WrittenCopy, bytes: number): WrittenCopy {
  if (copy.kind === 'failed' || copy.stored.bytes === bytes) return copy
  const error = new TargetUnreachable(
    `target ${copy.target} holds ${copy.stored.bytes} bytes of an archive of ${bytes}`,
  )
  return { target: copy.target, edition: copy.edition, kind: 'failed', error }
}

/** Why no target took it: each is named, and the first one's code and hint are those of the backup. */
function allFailed(copies: readonly Try[]): unknown {
  const failed = copies.flatMap((copy) => (copy.kind === 'failed' ? [copy] : []))
  const [first] = failed
  if (!first) return new Error('no target')
  const cause = first.error
  if (!(cause instanceof Failure)) return cause
  const words = failed.map(({ target, error }) => `${target}: ${messageOf(error)}`)
  return new Failure(cause.code, words.join('; '), {
    cause,
    ...(cause.hint === null ? {} : { hint: cause.hint }),
    ...(cause.at === null ? {} : { at: cause.at }),
  })
}
