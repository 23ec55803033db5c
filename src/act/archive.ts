import { createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { manifestKey } from '../core/archive-key.ts'
import type { Manifest } from '../core/manifest.ts'
import type { Copy } from '../core/model.ts'
import { ManifestRefused, RestoreFailed } from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import { sniffLayers } from '../stream/layers.ts'
import { readManifest } from '../stream/signature.ts'
import { readText } from '../stream/text.ts'
import { hashThrough } from '../stream/unseal.ts'

/** An archive to read, wherever it lies. */
export interface Archive {
  /** Key on its target, or path of the file. */
  readonly name: string
  readonly bytes: number | null
  /** Hex, of the bytes as stored. */
  readonly sha256: string
  /** Null for an archive that has none beside it. */
  readonly manifest: Manifest | null
  /** From the inside out, by the manifest, else by the content. */
  readonly layers: readonly string[]
  /** Null for a file. */
  readonly copy: Copy | null
  open(signal: AbortSignal): Promise<Readable>
}

/** The archive of a copy on its target. Throws `ManifestRefused` when its manifest does not count. */
export async function archiveOfCopy(
  copy: Copy,
  world: World,
  signal: AbortSignal,
): Promise<Archive> {
  const target = await openTarget(world, copy.target)
  const text = await readText(target, manifestKey(copy.key), signal)
  const found = await readManifest(text, world.desired.signing, world.desired.deployment)
  if (found.kind === 'foreign') {
    throw new ManifestRefused(`the manifest of ${copy.key} does not count: ${found.why}`, {
      at: copy.key,
    })
  }
  return {
    name: copy.key,
    bytes: found.manifest.stored.bytes,
    sha256: found.manifest.stored.sha256,
    manifest: found.manifest,
    layers: found.manifest.layers,
    copy,
    open: (at) => target.get(copy.key, 0, at),
  }
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
  const manifest = await manifestBeside(path, world)
  const openFile = async () => createReadStream(path, { highWaterMark: 1024 * 1024 })
  const sha256 =
    manifest?.stored.sha256 ?? (await hashThrough(await openFile(), () => {}, signal)).sha256
  return {
    name: path,
    bytes: found.size,
    sha256,
    manifest,
    layers: manifest?.layers ?? (await layersOfFile(path)),
    copy: null,
    open: openFile,
  }
}

async function manifestBeside(path: string, world: World): Promise<Manifest | null> {
  const text = await readFile(manifestKey(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new RestoreFailed(`cannot read ${manifestKey(path)}`, { cause: error })
  })
  if (text === null) return null
  const found = await readManifest(text, world.desired.signing, null)
  if (found.kind === 'ours') return found.manifest
  throw new ManifestRefused(`the manifest beside ${path} does not count: ${found.why}`, {
    at: manifestKey(path),
    hint: 'move the manifest away to restore by the content alone',
  })
}

async function layersOfFile(path: string): Promise<readonly string[]> {
  const file = await open(path, 'r')
  try {
    const head = Buffer.alloc(64 * 1024)
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    const layers = sniffLayers(head.subarray(0, bytesRead), basename(path))
    if (layers) return layers
  } finally {
    await file.close()
  }
  throw new RestoreFailed(`${path} is no archive that can be told by its content`, {
    at: path,
    hint: 'it should be a tar, SQLite, zstd, gzip or age file',
  })
}
