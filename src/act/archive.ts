import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { manifestKey } from '../core/archive-key.ts'
import { allEncryptions } from '../core/encryptions.ts'
import type { Manifest } from '../core/manifest.ts'
import { parseManifest } from '../core/manifest-parse.ts'
import type { Copy, TargetId } from '../core/model.ts'
import {
  ArchiveDamaged,
  ManifestDamaged,
  ManifestRefused,
  ObjectMissing,
  RestoreFailed,
} from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import { loadIdentities } from '../stream/keys.ts'
import { peelLayers } from '../stream/layers.ts'
import { readManifest } from '../stream/signature.ts'
import { readText } from '../stream/text.ts'
import { hashThrough } from '../stream/unseal.ts'
import type { Target } from '../targets/target.ts'

/** An archive to read, wherever it lies. */
export interface Archive {
  /** Key on its target, or path of the file. */
  readonly name: string
  readonly bytes: number | null
  /** Hex, of the bytes as stored. */
  readonly sha256: string
  /** Null for an archive that has none beside it. */
  readonly manifest: Manifest | null
  /** As it is stored, its signature included. */
  readonly manifestText: string | null
  /** From the inside out, by the manifest, else by the content. */
  readonly layers: readonly string[]
  /** Where it lies, or null for a file of this machine. */
  readonly target: TargetId | null
  /** As the history or its manifest tells of it; null for a file, and for what is not ours. */
  readonly copy: Copy | null
  open(signal: AbortSignal): Promise<Readable>
}

/** The archive of a copy on its target. Throws as `manifestOfCopy` does. */
export async function archiveOfCopy(
  copy: Copy,
  world: World,
  signal: AbortSignal,
): Promise<Archive> {
  const target = await openTarget(world, copy.target)
  const { text, manifest } = await manifestOfCopy(copy, target, world, signal)
  return {
    name: copy.key,
    bytes: manifest.stored.bytes,
    sha256: manifest.stored.sha256,
    manifest,
    manifestText: text,
    layers: manifest.layers,
    target: copy.target,
    copy,
    open: (at) => openCopy(copy, target, at),
  }
}

/**
 * The manifest that lies beside a copy. Throws `ArchiveDamaged` when there is none, `ManifestRefused`
 * when it cannot be trusted: foreign, forged, newer; `ManifestDamaged`, which is one of these, when it
 * is broken, of another archive, or not the one that was written.
 */
export async function manifestOfCopy(
  copy: Copy,
  target: Target,
  world: World,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly manifest: Manifest }> {
  const text = await readText(target, manifestKey(copy.key), signal).catch((error: unknown) => {
    if (!(error instanceof ObjectMissing)) throw error
    throw new ArchiveDamaged(`the manifest of ${copy.key} is missing on target ${copy.target}`, {
      at: copy.key,
      hint: OTHER_BACKUP,
    })
  })
  const found = await readManifest(text, world.desired.signing, world.desired.deployment)
  const why = found.kind === 'foreign' ? found.why : strangeness(found.manifest, copy)
  if (found.kind === 'ours' && why === null) return { text, manifest: found.manifest }
  const Refusal = found.kind === 'ours' || isBroken(text) ? ManifestDamaged : ManifestRefused
  throw new Refusal(`the manifest of ${copy.key} does not count: ${why}`, {
    at: copy.key,
    hint: OTHER_BACKUP,
  })
}

function isBroken(text: string): boolean {
  try {
    parseManifest(text)
    return false
  } catch (error) {
    return error instanceof ManifestDamaged
  }
}

const OTHER_BACKUP = 'look for another copy or backup with: holdfast backup list'

/** The stored bytes of a copy. Throws `ArchiveDamaged` when there are none. */
export async function openCopy(copy: Copy, target: Target, signal: AbortSignal): Promise<Readable> {
  return await target.get(copy.key, 0, signal).catch((error: unknown) => {
    if (!(error instanceof ObjectMissing)) throw error
    throw new ArchiveDamaged(`the archive ${copy.key} is missing on target ${copy.target}`, {
      at: copy.key,
      hint: OTHER_BACKUP,
    })
  })
}

/** A manifest never changes: one that tells of other bytes than the history saw was put in its place. */
function strangeness(manifest: Manifest, copy: Copy): string | null {
  if (manifest.key !== copy.key) return `it is about ${manifest.key}`
  if (copy.sha256 === null || copy.sha256 === manifest.stored.sha256) return null
  return 'it tells of other content than was written there'
}

/**
 * An archive that is a file of this machine. A manifest beside it decides; without one the content
 * does. A manifest beside it that cannot be trusted is refused: it is no licence to guess.
 */
export async function archiveOfFile(
  path: string,
  world: World,
  signal: AbortSignal,
): Promise<Archive> {
  const found = await stat(path).catch((cause) => {
    throw new RestoreFailed(`cannot read ${path}`, {
      cause,
      at: path,
      hint: 'give the path of an archive that this process can read',
    })
  })
  if (!found.isFile()) throw new RestoreFailed(`${path} is no file`, { at: path })
  if (found.size === 0) throw new RestoreFailed(`${path} is empty`, { at: path })
  const beside = await manifestBeside(path, world)
  const manifest = beside?.manifest ?? null
  const openFile = async () => createReadStream(path, { highWaterMark: 1024 * 1024 })
  const sha256 = manifest?.stored.sha256 ?? (await hashThrough(await openFile(), {}, signal)).sha256
  return {
    name: path,
    bytes: found.size,
    sha256,
    manifest,
    manifestText: beside?.text ?? null,
    layers: manifest?.layers ?? (await layersOfFile(path, world, signal)),
    target: null,
    copy: null,
    open: openFile,
  }
}

async function manifestBeside(
  path: string,
  world: World,
): Promise<{ readonly text: string; readonly manifest: Manifest } | null> {
  const text = await readFile(manifestKey(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new RestoreFailed(`cannot read ${manifestKey(path)}`, { cause: error })
  })
  if (text === null) return null
  const found = await readManifest(text, world.desired.signing, null)
  if (found.kind === 'ours') return { text, manifest: found.manifest }
  throw new ManifestRefused(`the manifest beside ${path} does not count: ${found.why}`, {
    at: manifestKey(path),
    hint: 'move the manifest away to restore by the content alone',
  })
}

/** By the content, through every layer that an identity of the file opens; by the name where that ends. */
async function layersOfFile(
  path: string,
  world: World,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keys = await loadIdentities(allEncryptions(world.desired))
  const layers = await peelLayers(createReadStream(path), basename(path), keys, signal)
  if (layers) return layers
  throw new RestoreFailed(`${path} is no archive that can be told by its content`, {
    at: path,
    hint: 'it should be a tar, SQLite, zstd, gzip, age or cryptr file',
  })
}
