import { type FileHandle, open as openFile, rm, writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Archive } from '../act/archive.ts'
import { proveStored } from '../act/verify.ts'
import { manifestKey } from '../core/archive-key.ts'
import { messageOf, Refused } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { directWriter } from '../platform/direct.ts'
import { codeOf } from '../platform/files.ts'
import { pour } from '../platform/pour.ts'
import { meter } from '../stream/meter.ts'
import { tellLink } from './backup-link.ts'
import { archiveOf } from './backup-show.ts'
import { chosen } from './chosen.ts'
import type { Context, GlobalFlags } from './context.ts'
import { open } from './opened.ts'

export interface DownloadFlags {
  /** Only an address to download from. */
  readonly link?: boolean
}

/**
 * `backup download REF [FILE]`: the archive as stored, with its manifest beside it. Neither is
 * written over a file that is there, and neither stays when the bytes are not those of the manifest.
 */
export async function backupDownload(
  words: readonly string[],
  flags: DownloadFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  const [choice, ...others] = await chosen(words.slice(0, 1), world)
  if (!choice || others.length > 0) {
    throw new Refused('one archive is downloaded at a time', {
      hint: 'name one source: job/source@latest',
    })
  }
  if (flags.link) {
    if (words.length > 1) throw new Refused('--link writes no file', { hint: 'leave out the file' })
    await tellLink(choice, world, flags, context)
    return 0
  }
  const archive = await archiveOf(choice, world, context)
  const path = resolve(context.cwd, words[1] ?? basename(archive.name))
  await save(archive, path, context.interrupted)
  const sizeBytes = archive.bytes ?? 0
  context.out(
    flags.json
      ? JSON.stringify({ path, manifest: manifestKey(path), sizeBytes, sha256: archive.sha256 })
      : `${path} (${formatBytes(sizeBytes)})`,
  )
  return 0
}

async function save(archive: Archive, path: string, signal: AbortSignal): Promise<void> {
  const file = await create(path)
  try {
    const gauge = meter()
    const body = await archive.open(signal)
    await using writer = directWriter(file, path)
    await pour(
      body,
      async (batch) => {
        for (const piece of batch) gauge.push(piece)
        await writer.write(batch)
      },
      signal,
    )
    await writer.end()
    await file.sync()
    const { name, copy, sha256, bytes } = archive
    if (copy) {
      proveStored(
        { key: name, target: copy.target },
        { sha256, bytes: bytes ?? 0 },
        gauge.reading(),
      )
    }
    await writeManifest(archive, path)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function writeManifest({ manifestText }: Archive, path: string): Promise<void> {
  if (manifestText === null) return
  const beside = manifestKey(path)
  await writeFile(beside, manifestText, { flag: 'wx', mode: 0o600, flush: true }).catch(
    (cause: unknown) => {
      throw refused(beside, cause)
    },
  )
}

async function create(path: string): Promise<FileHandle> {
  return await openFile(path, 'wx', 0o600).catch((cause: unknown) => {
    throw refused(path, cause)
  })
}

function refused(path: string, cause: unknown): Refused {
  const there = codeOf(cause) === 'EEXIST'
  const why = there ? 'it is there already' : messageOf(cause)
  return new Refused(`cannot write ${path}: ${why}`, {
    cause,
    at: path,
    hint: there
      ? 'name another file: holdfast backup download REF FILE'
      : 'name a file in a folder that is there',
  })
}
