import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Instant } from '../core/model.ts'
import { messageOf, StateRefused } from '../lib/errors.ts'
import {
  isGone,
  PathTaken,
  readTextFile,
  renameNew,
  syncFolder,
  writeFileDurably,
} from '../platform/files.ts'
import { newId } from '../platform/ids.ts'

const MARK = /^[0-9a-z]{18}$/
/** Bytes; the mark has fewer. */
const LIMIT = 64

/**
 * The mark of a data_dir, made when it has none. What is on a host's disks is known by it: names of
 * hosts change, as those of containers at each start, and two hosts may have the same.
 *
 * Throws `StateRefused` when it cannot be read or made.
 */
export async function homeOf(dataDir: string, now: Instant): Promise<string> {
  const path = join(dataDir, 'home')
  try {
    return (await readMark(path)) ?? (await makeMark(path, newId(now)))
  } catch (cause) {
    if (cause instanceof StateRefused) throw cause
    throw new StateRefused(`cannot mark data_dir ${dataDir}: ${messageOf(cause)}`, {
      cause,
      at: path,
    })
  }
}

async function readMark(path: string): Promise<string | null> {
  const text = await readTextFile(path, LIMIT).catch((error: unknown) => {
    if (isGone(error)) return null
    throw error
  })
  if (text === null) return null
  const mark = text.trim()
  if (MARK.test(mark)) return mark
  throw new StateRefused(`${path} does not hold the mark of a data_dir`, {
    at: path,
    hint: 'remove it: another is made, and restores that were cut short under the old one have to be abandoned',
  })
}

/** Of two processes that make it at once, one does, and both have the same. */
async function makeMark(path: string, mark: string): Promise<string> {
  const beside = `${path}.${mark}`
  await writeFileDurably(beside, `${mark}\n`, 0o600)
  try {
    await renameNew(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    if (!(error instanceof PathTaken)) throw error
    return (await readMark(path)) ?? (await makeMark(path, mark))
  }
  await syncFolder(dirname(path))
  return mark
}
