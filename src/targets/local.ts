import { constants, lstatSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import type { Bytes, Instant } from '../core/model.ts'
import type { StoredObject, UnfinishedObject } from '../core/observed.ts'
import type { Section } from '../core/section.ts'
import { ConfigError, ObjectMissing, Refused } from '../lib/errors.ts'
import { unlessAborted } from '../lib/limits.ts'
import { directWriter } from '../platform/direct.ts'
import { exists, freeBytes, isGone } from '../platform/files.ts'
import { letGo, pour } from '../platform/pour.ts'
import { walkFiles } from '../platform/walk.ts'
import { checkKey, checkPrefix, isUnder, partPath, readPartPath } from './keys.ts'
import { lookAt, type Place, refuseDetours, trouble } from './local-place.ts'
import { readFrom } from './local-read.ts'
import { begin, erase, publish, seal } from './local-write.ts'
import { NOTHING_RETAINED, type Page, type Stored, type Target, type TargetKind } from './target.ts'

/** What an aborted write gets to tidy up; a disk that hangs is left to itself. */
const TIDY_UP = 2_000

/** A folder of this machine, or anything mounted as one. */
export const local: TargetKind = {
  kind: 'local',
  offHost: false,

  configure(section, { allowLocal }) {
    if (!allowLocal) {
      throw fault(section, 'type', 'local targets are forbidden by ALLOW_LOCAL_BACKUPS=false')
    }
    const path = section.string('path')
    if (!isAbsolute(path) || path.includes('\0') || resolve(path) === '/') {
      throw fault(section, 'path', `must be an absolute path below /, not ${JSON.stringify(path)}`)
    }
    return localTarget({
      root: resolve(path),
      requireMount: section.flag('require_mount', false),
      durable: new Set(),
    })
  },
}

function fault({ path }: Section, key: string, message: string): ConfigError {
  return new ConfigError([{ at: path, path: `${path}.${key}`, message, hint: null }])
}

function localTarget(place: Place): Target {
  const reach = <T>(attempt: string, work: Promise<T>, signal: AbortSignal) =>
    unlessAborted(reaching(place, attempt, work), signal)
  return {
    put: (key, body, { token }, signal) => deliver(place, { key, body, token }, signal),

    async get(key, start, signal) {
      checkKey(key)
      signal.throwIfAborted()
      const opening = openObject(place, key)
      const file = await reach(`read ${key}`, opening, signal).catch((error: unknown) => {
        opening.then((late) => late.close()).catch(() => {})
        throw error
      })
      return readFrom({ root: place.root, file, path: `${place.root}/${key}`, start }, signal)
    },

    async stat(key, signal) {
      checkKey(key)
      signal.throwIfAborted()
      return reach(`look at ${key}`, statObject(place, key), signal)
    },

    list: (prefix, signal) => listPages(place, prefix, signal),

    async remove(keys, signal) {
      for (const key of keys) {
        checkKey(key)
        signal.throwIfAborted()
        await reach(`remove ${key}`, removeObject(place, key), signal)
      }
      return NOTHING_RETAINED
    },

    retained: async () => NOTHING_RETAINED,

    async abort({ key, token }, signal) {
      if (token === null) throw new Refused(`an unfinished ${key} without a token is none of ours`)
      const part = `${place.root}/${partPath(key, token)}`
      signal.throwIfAborted()
      await reach(`remove the unfinished ${key}`, removePart(place, key, part), signal)
    },

    async free(signal) {
      signal.throwIfAborted()
      return reach('ask for free space', freeSpace(place), signal)
    },

    link: async () => null,
    posture: null,
  }
}

/** `work` on the disk, its system errors told as what they mean. Errors of a body never pass here. */
function reaching<T>({ root }: Place, attempt: string, work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw trouble(root, attempt, error)
  })
}

interface Delivery {
  readonly key: string
  readonly body: AsyncIterable<Uint8Array>
  readonly token: string
}

/** Ends at most `TIDY_UP` after an abort: a disk that hangs must not hang who writes to it. */
async function deliver(place: Place, delivery: Delivery, signal: AbortSignal): Promise<Stored> {
  const work = putObject(place, delivery, signal)
  return await unlessAborted(work, signal, TIDY_UP).catch((error: unknown) => {
    // A success after we gave it up must not count.
    work.then(() => erase(place, `${place.root}/${delivery.key}`)).catch(() => {})
    throw error
  })
}

async function putObject(
  place: Place,
  { key, body, token }: Delivery,
  signal: AbortSignal,
): Promise<Stored> {
  const reach = <T>(work: Promise<T>) => reaching(place, `write ${key}`, work)
  const part = `${place.root}/${partPath(key, token)}`
  const file = await reach(begin(place, key, part, signal)).catch((error: unknown) => {
    letGo(body)
    throw error
  })
  try {
    const bytes = await pourInto(file, part, { body, reach }, signal)
    await reach(seal(file, bytes))
    signal.throwIfAborted()
    return await reach(publish(place, key, part, bytes))
  } catch (error) {
    await file.close().catch(() => {})
    await erase(place, part).catch(() => {}) // `unfinished` tells of it once the disk is back
    throw error
  }
}

interface Pouring {
  readonly body: AsyncIterable<Uint8Array>
  readonly reach: <T>(work: Promise<T>) => Promise<T>
}

async function pourInto(
  file: FileHandle,
  part: string,
  { body, reach }: Pouring,
  signal: AbortSignal,
): Promise<number> {
  await using writer = directWriter(file, part)
  const bytes = await pour(body, (batch) => reach(writer.write(batch)), signal)
  await reach(writer.end())
  return bytes
}

async function openObject(place: Place, key: string): Promise<FileHandle> {
  if ((await statObject(place, key)) === null) throw new ObjectMissing(key)
  return open(`${place.root}/${key}`, constants.O_RDONLY | constants.O_NOFOLLOW).catch((cause) => {
    throw isGone(cause) ? new ObjectMissing(key, { cause }) : cause
  })
}

async function statObject(place: Place, key: string): Promise<StoredObject | null> {
  if ((await lookAt(place)) === 'missing') return null
  refuseDetours(place.root, key)
  const found = statFile(place.root, key)
  return found && { key, ...found }
}

/** Size and age of a regular file; null for whatever else is there, or nothing. */
function statFile(root: string, file: string): Omit<StoredObject, 'key'> | null {
  try {
    const found = lstatSync(`${root}/${file}`, { throwIfNoEntry: false })
    if (!found?.isFile()) return null
    return { bytes: found.size as Bytes, modifiedAt: Math.floor(found.mtimeMs) as Instant }
  } catch (error) {
    if (isGone(error)) return null
    throw trouble(root, `look at ${file}`, error)
  }
}

async function* listPages(place: Place, prefix: string, signal: AbortSignal): AsyncGenerator<Page> {
  for await (const files of walk(place, prefix, signal)) {
    const objects: StoredObject[] = []
    const unfinished: UnfinishedObject[] = []
    for (const file of files) {
      const part = file.endsWith('.part') ? readPartPath(file) : null
      if (part ? !isUnder(prefix, part.key) : !file.startsWith(prefix)) continue
      const found = statFile(place.root, file)
      if (found === null) continue
      if (part) unfinished.push({ ...part, bytes: found.bytes })
      else objects.push({ key: file, bytes: found.bytes, modifiedAt: found.modifiedAt })
    }
    yield { objects, unfinished }
  }
}

async function* walk(
  place: Place,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  checkPrefix(prefix)
  signal.throwIfAborted()
  try {
    if ((await lookAt(place)) === 'missing') return
    refuseDetours(place.root, prefix)
    yield* walkFiles(place.root, prefix, signal)
  } catch (error) {
    throw trouble(place.root, `list ${prefix || 'everything'}`, error)
  }
}

async function removeObject(place: Place, key: string): Promise<void> {
  if ((await lookAt(place)) === 'missing') return
  refuseDetours(place.root, key)
  const path = `${place.root}/${key}`
  // What is no regular file is no object, and not ours to remove.
  if (statFile(place.root, key) === null && (await exists(path))) return
  await erase(place, path)
}

async function removePart(place: Place, key: string, part: string): Promise<void> {
  if ((await lookAt(place)) === 'missing') return
  refuseDetours(place.root, key)
  await erase(place, part)
}

async function freeSpace(place: Place): Promise<Bytes> {
  const there = (await lookAt(place)) === 'there'
  return freeBytes(there ? place.root : dirname(place.root))
}
