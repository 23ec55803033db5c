import type { ManifestEncryption } from '../core/manifest.ts'
import type { Backup, Copy, DesiredJob, TargetId } from '../core/model.ts'
import { Interrupted, messageOf, TargetUnreachable } from '../lib/errors.ts'
import { startTimer, type Timer } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import { openTarget, type World } from '../observe/world.ts'
import type { Dump, SourceReport } from '../sources/source.ts'
import { fanOut, type Stalls } from '../stream/fan-out.ts'
import { encryptionOf } from '../stream/keys.ts'
import { seal } from '../stream/seal.ts'
import type { Stored } from '../targets/target.ts'

/** What the slowest target gets to finish once another holds it all: a sync may have gigabytes to write. */
const LAST_LIMIT = 30 * 60_000

export interface Writing {
  readonly backup: Backup
  readonly job: DesiredJob
  readonly key: string
  readonly layer: string
  readonly dump: Dump
}

/** An archive as it lies on its targets, with no manifest yet. */
export interface Written {
  readonly key: string
  readonly layers: readonly string[]
  readonly encryption: ManifestEncryption | null
  readonly stored: { readonly bytes: number; readonly sha256: string }
  readonly report: SourceReport
  readonly copies: readonly WrittenCopy[]
}

export type WrittenCopy = { readonly target: TargetId } & (
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
  const { backup, job, key, dump } = writing
  const encryption = await encryptionOf(job.encryption)
  let report: SourceReport | null = null
  const expected = await lastSize(backup, world)
  const sealed = seal(
    dump.content,
    {
      layer: writing.layer,
      compression: job.compression,
      encryption: encryption.keys,
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
  using stops = stopsFor(job.targets.length)
  const bodies = fanOut(sealed.body, job.targets.length, stops)
  const copies = await Promise.all(
    job.targets.map(async ({ target }, index): Promise<WrittenCopy> => {
      const body = bodies[index]
      if (!body) throw new Error('fan-out gave too few bodies')
      const limited = stops.signalOf(index, signal)
      const copy = await writeCopy({ backup, key, target, body, expected }, world, limited)
      if (copy.kind === 'stored') stops.onStored()
      return copy
    }),
  )
  const outcome = await sealed.outcome.catch((error) => {
    // When every target let go, what stopped the stream is what stopped the targets.
    throw error instanceof Interrupted && !signal.aborted ? firstError(copies) : error
  })
  if (!report) throw new Error('the source was never asked whether its copy is complete')
  if (copies.every(({ kind }) => kind === 'failed')) throw firstError(copies)
  return {
    key,
    layers: outcome.layers,
    encryption: encryption.manifest,
    stored: outcome.stored,
    report,
    copies: copies.map((copy) => checkSize(copy, outcome.stored.bytes)),
  }
}

/** Ends the writes to targets that keep the others waiting. */
interface Stops extends Stalls, Disposable {
  signalOf(index: number, signal: AbortSignal): AbortSignal
  onStored(): void
}

function stopsFor(count: number): Stops {
  const stops = Array.from({ length: count }, () => new AbortController())
  let last: Timer | null = null
  const stopTheRest = () => {
    const why = `the target did not finish within ${formatDuration(LAST_LIMIT)} of another`
    for (const stop of stops) stop.abort(new TargetUnreachable(why))
  }
  return {
    signalOf(index, signal) {
      const stop = stops[index]
      return stop ? AbortSignal.any([signal, stop.signal]) : signal
    },
    onStall: (index, error) => stops[index]?.abort(error),
    onStored() {
      last ??= startTimer(LAST_LIMIT, stopTheRest).unref()
    },
    [Symbol.dispose]: () => last?.cancel(),
  }
}

/** What the newest success of the same source came to: the best guess at what is to come. */
async function lastSize({ job, group }: Backup, world: World): Promise<number | null> {
  const { backups } = await world.store.history({ depth: 'recent', jobs: [job] })
  const sizes = backups
    .filter((one) => one.group === group && one.status === 'success')
    .toSorted((a, b) => b.startedAt - a.startedAt)
  return sizes[0]?.storedBytes ?? null
}

interface CopyWriting {
  readonly backup: Backup
  readonly key: string
  readonly target: TargetId
  readonly body: AsyncIterable<Uint8Array>
  /** Bytes likely to come. */
  readonly expected: number | null
}

async function writeCopy(
  { backup, key, target, body, expected }: CopyWriting,
  world: World,
  signal: AbortSignal,
): Promise<WrittenCopy> {
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
  }
  try {
    // The row is there before the first byte, so that whatever a kill leaves is proven ours.
    await world.store.saveCopy(copy)
    const opened = await openTarget(world, target)
    return {
      target,
      kind: 'stored',
      stored: await opened.put(key, body, { token: backup.id, expected }, signal),
    }
  } catch (error) {
    // Tells the fan-out that nobody reads on.
    await body[Symbol.asyncIterator]()
      .return?.()
      .catch(() => {})
    await world.store.saveCopy({ ...copy, status: 'failed', error: messageOf(error) })
    return { target, kind: 'failed', error }
  }
}

function checkSize(copy: WrittenCopy, bytes: number): WrittenCopy {
  if (copy.kind === 'failed' || copy.stored.bytes === bytes) return copy
  const error = new TargetUnreachable(
    `target ${copy.target} holds ${copy.stored.bytes} bytes of an archive of ${bytes}`,
  )
  return { target: copy.target, kind: 'failed', error }
}

function firstError(copies: readonly WrittenCopy[]): unknown {
  const failed = copies.find((copy) => copy.kind === 'failed')
  return failed?.kind === 'failed' ? failed.error : new Error('no target')
}
