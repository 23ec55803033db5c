import {
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3'
import type { Instant } from '../../core/model.ts'
import { forEachConcurrent } from '../../lib/concurrent.ts'
import { ObjectRetained, TargetUnreachable } from '../../lib/errors.ts'
import { NOTHING_RETAINED, type Retentions } from '../target.ts'
import { type Bucket, reaching } from './bucket.ts'
import type { Learnt, Told } from './client.ts'
import { type Doomed, deleteAll } from './delete.ts'
import { isDenied, isUnsupported, placeOf } from './errors.ts'
import { defaultLockOf, versioningOf } from './look.ts'
import { turn } from './pages.ts'
import { head } from './read.ts'

/** How long the server's word on a setting of the bucket holds, in milliseconds. */
const HOLDS = 5 * 60_000
/** How many objects are looked at at once. */
const AT_ONCE = 8

/**
 * Whether deletes leave versions behind. Where the key may not ask, the first of these objects that
 * is there tells, if it has versions; null: nobody told.
 */
export async function isVersioned(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<boolean | null> {
  return await learn(bucket, 'versioned', async () => {
    try {
      return (await versioningOf(bucket, signal)) !== 'off'
    } catch (error) {
      if (!isDenied(error)) throw error
      return await haveVersions(bucket, keys, signal)
    }
  })
}

async function haveVersions(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<true | null> {
  for (const key of keys) {
    const found = await head(bucket, key, signal).catch((error: unknown) => {
      if (isDenied(error)) return 'untold' as const
      throw error
    })
    if (found === 'untold') return null
    // None is no proof: an object may be older than the versions of its bucket.
    if (found) return found.VersionId === undefined ? null : true
  }
  return null
}

/** Notes what a delete told. */
export function noteVersioned({ learnt }: Bucket): void {
  learnt.versioned = { value: true, at: performance.now() }
}

/** Whether objects can be locked. Yes, where the key may not ask: the objects themselves tell. */
export async function isLockable(bucket: Bucket, signal: AbortSignal): Promise<boolean> {
  const told = await learn(bucket, 'lockable', async () => {
    const lock = await defaultLockOf(bucket, signal).catch((error: unknown) => {
      if (isDenied(error)) return 'open'
      throw error
    })
    return lock !== null
  })
  return told === true
}

type Setting = {
  [Key in keyof Learnt]: Learnt[Key] extends Told | null ? Key : never
}[keyof Learnt]

/** The server's answer, or its last one. No, where it does not know the question or gives none. */
async function learn(
  { learnt }: Bucket,
  setting: Setting,
  ask: () => Promise<boolean | null>,
): Promise<boolean | null> {
  const known = learnt[setting]
  if (known && performance.now() - known.at < HOLDS) return known.value
  const value = await ask().catch((error: unknown) => {
    if (isDenied(error) || isUnsupported(error)) return false
    throw error
  })
  learnt[setting] = { value, at: performance.now() }
  return value
}

/** Which of the objects are locked now. */
export async function retainedObjects(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  if (keys.length === 0) return NOTHING_RETAINED
  return await reaching(bucket, `look at ${keys.length} objects`, lockedAmong(bucket, keys, signal))
}

async function lockedAmong(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  if (!(await isLockable(bucket, signal))) return NOTHING_RETAINED
  const retained = new Map<string, ObjectRetained>()
  await forEachConcurrent(keys, AT_ONCE, async (key) => {
    const lock = await lockOf(bucket, { key }, signal)
    if (lock) retained.set(key, lock)
  })
  return retained
}

/** Why a version cannot be deleted now, or null. */
async function lockOf(
  bucket: Bucket,
  { key, version }: Doomed,
  signal: AbortSignal,
): Promise<ObjectRetained | null> {
  const found = await head(bucket, key, signal, version)
  if (found === null) return null
  if (found.ObjectLockLegalHoldStatus === 'ON') {
    const hint = 'it is under a legal hold, which somebody has to lift'
    return new ObjectRetained(key, null, { hint })
  }
  const until = found.ObjectLockRetainUntilDate?.getTime() ?? 0
  return until > Date.now() ? new ObjectRetained(key, until as Instant) : null
}

/**
 * Deletes every version and marker of the objects, none of an object that is locked in any of them.
 * Throws where one stays that a marker hides.
 */
export async function removeVersions(
  bucket: Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  const lockable = await isLockable(bucket, signal)
  const retained = new Map<string, ObjectRetained>()
  const doomed: Version[] = []
  await forEachConcurrent(keys, AT_ONCE, async (key) => {
    const versions = await versionsOf(bucket, key, signal)
    const lock = lockable ? await firstLock(bucket, versions, signal) : null
    if (lock) retained.set(key, lock)
    else doomed.push(...versions)
  })
  const { refused } = await deleteAll(bucket, doomed, signal)
  const covers = new Set(doomed.filter((one) => one.isCover).map(({ version }) => version))
  refuseHidden(
    bucket,
    refused.filter(({ version = '' }) => covers.has(version)),
  )
  for (const { key } of refused) retained.set(key, new ObjectRetained(key, null))
  return retained
}

/** Throws for the first of these: what a marker hides is not kept, and not gone. */
export function refuseHidden({ options }: Bucket, hidden: readonly Doomed[]): void {
  const [{ key } = { key: null }] = hidden
  if (key === null) return
  const what = hidden.length === 1 ? `${key} is` : `${key} and ${hidden.length - 1} more are`
  const where = `hidden in ${placeOf(options)} by a marker that cannot be removed`
  throw new TargetUnreachable(`${what} ${where}`, {
    at: options.bucket,
    hint: `let the key do it: s3:DeleteObjectVersion on ${options.bucket}/${options.prefix}*`,
  })
}

interface Version extends Required<Doomed> {
  readonly isMarker: boolean
  /** A marker over what is there. */
  readonly isCover: boolean
}

async function firstLock(
  bucket: Bucket,
  versions: readonly Version[],
  signal: AbortSignal,
): Promise<ObjectRetained | null> {
  for (const version of versions) {
    const lock = version.isMarker ? null : await lockOf(bucket, version, signal)
    if (lock) return lock
  }
  return null
}

/** Exactly those of the key: others begin with it too, and come after. */
async function versionsOf(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<readonly Version[]> {
  const { bucket: Bucket, prefix } = bucket.options
  const Prefix = prefix + key
  const versions: Version[] = []
  for (let from: VersionMarker | null = {}; from !== null; ) {
    const asked: ListObjectVersionsCommandInput = { Bucket, Prefix, ...from }
    const answer: ListObjectVersionsCommandOutput = await bucket.send(
      (client, options) => client.send(new ListObjectVersionsCommand(asked), options),
      signal,
    )
    const listed = [
      ...(answer.Versions ?? []).map((one) => ({ ...one, isMarker: false })),
      ...(answer.DeleteMarkers ?? []).map((one) => ({ ...one, isMarker: true })),
    ]
    for (const { Key, VersionId, IsLatest, isMarker } of listed) {
      if (Key !== Prefix || !VersionId) continue
      versions.push({ key, version: VersionId, isMarker, isCover: isMarker && IsLatest !== false })
    }
    const { IsTruncated: isTruncated, NextKeyMarker, NextVersionIdMarker } = answer
    const next = { KeyMarker: NextKeyMarker, VersionIdMarker: NextVersionIdMarker }
    from = turn(bucket.options, { from, next: NextKeyMarker ? next : null, isTruncated })
    if (NextKeyMarker !== Prefix) from = null
  }
  return versions
}

type VersionMarker = Pick<ListObjectVersionsCommandInput, 'KeyMarker' | 'VersionIdMarker'>
