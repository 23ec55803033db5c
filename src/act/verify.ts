import { encryptionsOfJob } from '../core/encryptions.ts'
import type { Manifest } from '../core/manifest.ts'
import type { Copy } from '../core/model.ts'
import { ArchiveDamaged, ManifestDamaged, messageOf, naming } from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import { loadIdentities } from '../stream/keys.ts'
import { hashThrough, readThrough } from '../stream/unseal.ts'
import type { Target } from '../targets/target.ts'
import { manifestOfCopy, openCopy } from './archive.ts'

/** What a verify learned. */
export interface Verified {
  readonly copy: Copy
  /**
   * `content`: read through to its end, as what it is. `unpacked`: its bytes to their end, for want of
   * the program that reads such a dump. `stored`: only the stored bytes, for want of an identity.
   */
  readonly depth: 'content' | 'unpacked' | 'stored'
  readonly bytes: number
  readonly contentBytes: number | null
  readonly contentSha256: string | null
  readonly entries: number | null
}

/**
 * Re-reads an archive from its target to its end: size and sha256 against the manifest, every layer
 * undone, the content read through. The verdict goes into the history, good or bad.
 *
 * Throws `ArchiveDamaged` for an archive that is not what its manifest says, and leaves the history
 * alone when the target could not be read or the manifest is not one that we trust or understand:
 * that is no verdict on the archive.
 */
export async function verify(
  copy: Copy,
  jobId: string,
  world: World,
  signal: AbortSignal,
): Promise<Verified> {
  const target = await openTarget(world, copy.target)
  try {
    const manifest = await manifestOf(copy, target, world, signal)
    const read = await readArchive({ copy, manifest, target, jobId }, world, signal)
    const verified: Copy = { ...copy, verify: 'ok', verifiedAt: world.now(), error: null }
    await world.store.saveCopy(verified)
    return { ...read, copy: verified }
  } catch (thrown) {
    const error = naming(thrown, copy.key)
    if (error instanceof ArchiveDamaged) {
      await world.store.saveCopy({
        ...copy,
        verify: 'failed',
        verifiedAt: world.now(),
        error: messageOf(error),
      })
    }
    throw error
  }
}

async function manifestOf(
  copy: Copy,
  target: Target,
  world: World,
  signal: AbortSignal,
): Promise<Manifest> {
  try {
    return (await manifestOfCopy(copy, target, world, signal)).manifest
  } catch (error) {
    if (!(error instanceof ManifestDamaged)) throw error
    throw new ArchiveDamaged(error.message, {
      cause: error,
      at: copy.key,
      ...(error.hint === null ? {} : { hint: error.hint }),
    })
  }
}

interface Reading {
  readonly copy: Copy
  readonly manifest: Manifest
  readonly target: Target
  readonly jobId: string
}

async function readArchive(
  { copy, manifest, target, jobId }: Reading,
  world: World,
  signal: AbortSignal,
): Promise<Omit<Verified, 'copy'>> {
  const job = world.desired.jobs.find(({ id }) => id === jobId)
  const keys = await loadIdentities([
    ...(job ? encryptionsOfJob(job) : []),
    world.desired.encryption,
  ])
  const onBytes = (bytes: number) =>
    world.progress({
      what: 'verify',
      subject: copy.key,
      bytes,
      total: manifest.stored.bytes,
      done: false,
    })
  const pace = { onBytes, throttle: world.throttle }
  const body = await openCopy(copy, target, signal)
  // Without an identity the stored bytes can still be held against the hash made at the write.
  if (manifest.encryption && keys.length === 0) {
    const stored = await hashThrough(body, pace, signal)
    proveStored(copy, manifest.stored, stored)
    return {
      depth: 'stored',
      bytes: stored.bytes,
      contentBytes: null,
      contentSha256: null,
      entries: null,
    }
  }
  const opening = { layers: manifest.layers, keys, nice: world.desired.limits.nice, ...pace }
  const read = await readThrough(body, opening, signal)
  proveStored(copy, manifest.stored, read.stored)
  return {
    depth: read.isRead ? 'content' : 'unpacked',
    bytes: read.stored.bytes,
    contentBytes: read.content.bytes,
    contentSha256: read.content.sha256,
    entries: read.entries,
  }
}

/** Size and hex sha256 of an archive as stored. */
export interface StoredFacts {
  readonly bytes: number
  readonly sha256: string
}

/** Throws unless what was read is what the manifest says was written. */
export function proveStored(
  { key, target }: Pick<Copy, 'key' | 'target'>,
  { bytes, sha256 }: StoredFacts,
  stored: StoredFacts,
): void {
  if (stored.bytes === bytes && stored.sha256 === sha256) return
  const how =
    stored.bytes === bytes
      ? `has sha256 ${stored.sha256.slice(0, 16)}…, not ${sha256.slice(0, 16)}…`
      : `has ${stored.bytes} bytes, not ${bytes}`
  throw new ArchiveDamaged(`the archive ${key} on ${target} ${how}`, {
    hint: 'restore from another copy; take a new backup with: holdfast backup create',
    at: key,
  })
}
