import { Readable } from 'node:stream'
import { manifestKey } from '../core/archive-key.ts'
import { MANIFEST_VERSION, type Manifest } from '../core/manifest.ts'
import type { Backup, Copy, TargetId } from '../core/model.ts'
import type { Lease } from '../leases/lease.ts'
import { Failure, messageOf } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import { openTarget, type World } from '../observe/world.ts'
import { signManifest } from '../stream/signature.ts'
import type { Target } from '../targets/target.ts'
import type { Attempt, BackupOutcome } from './backup.ts'
import { removeOne } from './remove-one.ts'
import { endOf } from './rows.ts'
import type { Written, WrittenCopy, WrittenEdition } from './write-copies.ts'

const TAKE_BACK_LIMIT = 60_000
/** A look and a page of text: a target that takes longer hangs, and must not hang the others. */
const MANIFEST_LIMIT = 5 * 60_000

export interface Commit extends Attempt {
  readonly backup: Backup
  readonly written: Written
}

/**
 * Makes written archives count: the manifest goes beside each, last, and then into the history.
 *
 * Nothing is committed below the job's quorum, or once the lease has a newer owner: the archives
 * are taken back and it throws. The rows come after the manifests: a death in between is found as
 * the success that it is, by the manifest.
 */
export async function commitCopies(
  commit: Commit,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<BackupOutcome> {
  const { backup, written, job } = commit
  const finishedAt = endOf(backup, world)
  const stored = written.copies.filter((copy) => copy.kind === 'stored')
  try {
    requireQuorum(stored.length, job.require, failuresOf(written.copies))
    signal.throwIfAborted()
    await lease.confirm()
  } catch (refusal) {
    await takeBack(stored, world)
    throw refusal
  }

  const limited = withTimeLimit(signal, MANIFEST_LIMIT, 'the write of the manifest')
  const committed = await Promise.all(
    written.copies.map(async (copy) => {
      const manifest = manifestOf(commit, copy.edition, world, finishedAt)
      const text = await signManifest(manifest, world.desired.signing)
      return await commitCopy(copy, { backup, text, manifest }, world, limited)
    }),
  )
  const copies = committed.map(({ copy }) => copy)
  const complete = written.copies.filter((_, index) => copies[index]?.status === 'complete')
  if (complete.length < job.require) {
    await takeBack(complete, world)
    const failures = committed.flatMap(({ failure }) => failure ?? [])
    requireQuorum(complete.length, job.require, failures)
  }
  for (const copy of copies) await world.store.saveCopy(copy)
  const end = {
    status: 'success',
    finishedAt,
    storedBytes: complete[0]?.edition.stored.bytes ?? null,
    contentBytes: written.report.contentBytes,
    error: null,
    warnings: written.report.warnings,
  } as const
  await world.store.closeBackup(backup.id, end)
  return { backup: { ...backup, ...end }, copies, cause: null }
}

function manifestOf(
  { backup, written, source }: Commit,
  { key, stored, layers, encryption }: WrittenEdition,
  world: World,
  finished: Manifest['finished'],
): Manifest {
  const { origin, deployment } = world.desired
  return {
    version: MANIFEST_VERSION,
    deployment,
    run: backup.run,
    runName: backup.runName,
    backup: backup.id,
    job: backup.job,
    organization: backup.organization,
    app: backup.app,
    slot: backup.slot,
    attempt: backup.attempt,
    fence: backup.fence,
    source: { type: source.kind, name: source.name, facts: written.report.facts },
    started: backup.startedAt,
    finished,
    key,
    stored,
    layers,
    encryption,
    config: { sha256: origin.sha256, commit: origin.commit },
    instance: world.instance,
    holdfast: world.version,
    warnings: written.report.warnings,
  }
}

/** Why a target does not hold the archive. */
interface CopyFailure {
  readonly target: TargetId
  readonly error: unknown
}

function failuresOf(copies: readonly WrittenCopy[]): readonly CopyFailure[] {
  return copies.flatMap((copy) => (copy.kind === 'failed' ? [copy] : []))
}

function requireQuorum(have: number, need: number, failures: readonly CopyFailure[]): void {
  if (have >= need) return
  const why = failures.map(({ target, error }) => `${target}: ${messageOf(error)}`)
  const cause = failures[0]?.error
  const known = cause instanceof Failure ? cause : null
  throw new Failure(
    known?.code ?? 'quorum',
    `${have} of the ${need} targets needed hold the archive: ${why.join('; ')}`,
    { cause, ...(known?.hint ? { hint: known.hint } : {}) },
  )
}

interface Manifested {
  readonly backup: Backup
  readonly text: string
  readonly manifest: Manifest
}

async function commitCopy(
  written: WrittenCopy,
  { backup, text, manifest }: Manifested,
  world: World,
  signal: AbortSignal,
): Promise<{ readonly copy: Copy; readonly failure: CopyFailure | null }> {
  const { target: id } = written
  const failed = (error: unknown) => ({
    copy: { ...copy, status: 'failed', readback: null, error: messageOf(error) } as const,
    failure: { target: id, error },
  })
  const copy = {
    backup: manifest.backup,
    target: id,
    group: backup.group,
    key: manifest.key,
    bytes: manifest.stored.bytes,
    sha256: manifest.stored.sha256,
    encryption: manifest.encryption,
    takenAt: manifest.finished,
    verifiedAt: null,
    verify: 'never',
    retained: null,
  } as const
  if (written.kind === 'failed') return failed(written.error)
  try {
    const target = await openTarget(world, written.target)
    await proveSize(target, written.target, manifest, signal)
    await target.put(
      manifestKey(manifest.key),
      Readable.from([Buffer.from(text)]),
      { token: backup.id, expected: text.length },
      signal,
    )
    const { readback } = written.stored
    return { copy: { ...copy, status: 'complete', readback, error: null }, failure: null }
  } catch (error) {
    return failed(error)
  }
}

/** The size is asked of the target itself, after the write and by a fresh look. */
async function proveSize(
  target: Target,
  name: string,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  const there = await target.stat(manifest.key, signal)
  if (there?.bytes === manifest.stored.bytes) return
  const found = there ? `${there.bytes} bytes` : 'nothing'
  throw new Failure(
    'target_unreachable',
    `target ${name} has ${found} under ${manifest.key}, where ${manifest.stored.bytes} bytes were written`,
  )
}

/** Removes what a refused commit wrote: the manifest first, so that no moment shows it whole. */
async function takeBack(
  copies: readonly Pick<WrittenCopy, 'target' | 'edition'>[],
  world: World,
): Promise<void> {
  const signal = AbortSignal.timeout(TAKE_BACK_LIMIT)
  for (const {
    target: id,
    edition: { key },
  } of copies) {
    try {
      const target = await openTarget(world, id)
      await removeOne(target, manifestKey(key), signal)
      await removeOne(target, key, signal)
    } catch {
      // What stays has no success to prove; the next plan calls it debris.
    }
  }
}
