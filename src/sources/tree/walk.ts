import { constants, type Dir, opendirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setImmediate as othersTurn } from 'node:timers/promises'

import { isGone } from '../../platform/files.ts'

/** One entry of a tree. Names are latin1, one character for one byte: file names need not be text. */
export interface Entry {
  /** From the root of the walk on. */
  readonly path: string
  readonly kind: 'directory' | 'file' | 'link' | 'device' | 'other'
  /** What a system call takes; good until the next entry is asked for. */
  readonly at: Buffer
}

/** Longer paths are not taken by the kernel (4096) once a name of 255 bytes is added. */
const LONGEST_WAY = 3500
/** Names as bytes; the types of Node know only text. */
const AS_BYTES: object = { encoding: 'buffer', bufferSize: 512 }
/** Entries read before the event loop gets its turn: a few milliseconds. */
const SLICE = 1000

/**
 * Everything below the folder `root`, folders before what is in them, following no link. Folders for
 * whose path `enters` is false are told but not entered. Memory grows with the folders that still
 * wait, not with the files.
 */
export async function* walk(
  root: string,
  signal: AbortSignal,
  enters: (path: string) => boolean = () => true,
): AsyncGenerator<Entry, void, undefined> {
  yield* walkFrom({ base: Buffer.from(root).toString('latin1'), before: '' }, signal, enters)
}

/** A folder that paths are spelled from: `base` for the system, `before` for the reader. */
interface Start {
  readonly base: string
  readonly before: string
}

async function* walkFrom(
  { base, before }: Start,
  signal: AbortSignal,
  enters: (path: string) => boolean,
): AsyncGenerator<Entry, void, undefined> {
  const waiting = ['']
  let seen = 0
  for (let way = waiting.pop(); way !== undefined; way = waiting.pop()) {
    signal.throwIfAborted()
    if (base.length + way.length > LONGEST_WAY) {
      await using folder = await open(
        bytes(base + way),
        constants.O_DIRECTORY | constants.O_NOFOLLOW,
      )
      // Seen from its own descriptor the folder has a short name again.
      const start = { base: `/proc/self/fd/${folder.fd}`, before: before + way }
      yield* walkFrom(start, signal, enters)
      continue
    }
    // Synchronous: awaiting each entry takes three times as long.
    using folder = opened(base, way)
    if (folder === null) continue
    for (let found = folder.readSync(); found !== null; found = folder.readSync()) {
      if (++seen % SLICE === 0) await othersTurn()
      const next = `${way}/${latin1(found.name)}`
      const path = (before + next).slice(1)
      const kind = kindOf(found)
      yield { path, kind, at: bytes(base + next) }
      if (kind === 'directory' && enters(path)) waiting.push(next)
    }
  }
}

/** Null for a folder that was removed since its name was read: in a live tree that happens. */
function opened(base: string, way: string): Dir | null {
  try {
    return opendirSync(bytes(base + way), AS_BYTES)
  } catch (error) {
    if (way !== '' && isGone(error)) return null
    throw error
  }
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function latin1(name: unknown): string {
  return Buffer.isBuffer(name) ? name.toString('latin1') : String(name)
}

interface Typed {
  isDirectory(): boolean
  isFile(): boolean
  isSymbolicLink(): boolean
  isBlockDevice(): boolean
  isCharacterDevice(): boolean
}

function kindOf(found: Typed): Entry['kind'] {
  if (found.isDirectory()) return 'directory'
  if (found.isFile()) return 'file'
  if (found.isSymbolicLink()) return 'link'
  return found.isBlockDevice() || found.isCharacterDevice() ? 'device' : 'other'
}
