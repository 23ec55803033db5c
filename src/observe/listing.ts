import { archiveOfPin, isArchiveKey, manifestKey } from '../core/archive-key.ts'
import type { Copy, Instant, Pin, TargetId } from '../core/model.ts'
import type { FoundManifest, Listing, StoredObject, UnfinishedObject } from '../core/observed.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import { count } from '../lib/count.ts'
import { messageOf, ObjectMissing, TargetUnreachable } from '../lib/errors.ts'
import { unlessAborted, withTimeLimit } from '../lib/limits.ts'
import { parseInstant } from '../lib/time.ts'
import { readManifest } from '../stream/signature.ts'
import { readText } from '../stream/text.ts'
import type { Target } from '../targets/target.ts'
import type { World } from './world.ts'

/** A target that takes longer to list is as good as away. */
const LIST_LIMIT = 10 * 60_000
/** Requests under way at once while unknown manifests are read. */
const READS_AT_ONCE = 16

/** Where to look on a target. */
export interface Look {
  readonly id: TargetId
  readonly target: Target
  /** Key prefixes; `['']` is everything. */
  readonly prefixes: readonly string[]
  /** Copies that the history holds as complete there: their manifests never change and are not read again. */
  readonly known: ReadonlyMap<string, Copy>
}

/** What a target holds under `prefixes`. A target that cannot be listed is a value, not an error. */
export async function observeTarget(
  look: Look,
  world: World,
  signal: AbortSignal,
): Promise<Listing> {
  const limited = withTimeLimit(signal, LIST_LIMIT, `the listing of ${look.id}`)
  try {
    // A mount that hangs heeds no signal.
    return await unlessAborted(list(look, world, limited), limited)
  } catch (error) {
    signal.throwIfAborted()
    return { kind: 'unreachable', error: messageOf(limited.aborted ? limited.reason : error) }
  }
}

async function list(look: Look, world: World, signal: AbortSignal): Promise<Listing> {
  const objects = new Map<string, StoredObject>()
  const unfinished: UnfinishedObject[] = []
  for (const prefix of look.prefixes) {
    for await (const page of look.target.list(prefix, signal)) {
      for (const object of page.objects) objects.set(object.key, object)
      unfinished.push(...page.unfinished)
    }
  }
  if (objects.size === 0 && look.known.size > 0) {
    // An unmounted disk leaves an empty folder behind; a target that lost everything at once is
    // no more to be believed than one that cannot be read.
    const copies = count(look.known.size, 'copy', 'copies')
    throw new TargetUnreachable(`it is empty where ${copies} should be: is it mounted?`)
  }
  const manifests = await readUnknown(look, objects, world, signal)
  const pins = await readPins(look, objects, signal)
  return {
    kind: 'listed',
    prefixes: look.prefixes,
    at: world.now(),
    objects,
    unfinished,
    manifests,
    pins,
  }
}

async function readUnknown(
  { target, known }: Look,
  objects: ReadonlyMap<string, StoredObject>,
  world: World,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FoundManifest>> {
  const { signing, deployment } = world.desired
  const found = new Map<string, FoundManifest>()
  const unknown = [...objects.values()].filter(
    ({ key }) => isArchiveKey(key) && !known.has(key) && objects.has(manifestKey(key)),
  )
  await forEachConcurrent(unknown, READS_AT_ONCE, async ({ key, bytes }) => {
    const read = await readObject(target, manifestKey(key), signal)
    if (read.kind === 'absent') return
    if (read.kind === 'unreadable') {
      found.set(key, { kind: 'foreign', why: read.why })
      return
    }
    const manifest = await readManifest(read.text, signing, deployment)
    found.set(key, matching(manifest, key, bytes))
  })
  return found
}

/** A manifest speaks only for the object that it lies beside, at the size that it tells. */
function matching(found: FoundManifest, key: string, bytes: number): FoundManifest {
  if (found.kind === 'foreign') return found
  const { manifest } = found
  if (manifest.key !== key) return { kind: 'foreign', why: `it is about ${manifest.key}` }
  if (manifest.stored.bytes !== bytes) {
    return {
      kind: 'foreign',
      why: `it tells of ${manifest.stored.bytes} bytes, the archive has ${bytes}`,
    }
  }
  return found
}

async function readPins(
  { id, target }: Look,
  objects: ReadonlyMap<string, StoredObject>,
  signal: AbortSignal,
): Promise<readonly Pin[]> {
  const pins: Pin[] = []
  await forEachConcurrent(objects.keys(), READS_AT_ONCE, async (key) => {
    const archive = archiveOfPin(key)
    if (archive === null) return
    const read = await readObject(target, key, signal)
    if (read.kind !== 'absent')
      pins.push(parsePin(id, archive, read.kind === 'text' ? read.text : ''))
  })
  return pins
}

/** A pin counts by being there; what cannot be read in it is no reason to let go. */
function parsePin(target: TargetId, key: string, text: string): Pin {
  try {
    const { reason, at } = JSON.parse(text)
    const instant = typeof at === 'string' ? parseInstant(at) : null
    return { target, key, reason: String(reason ?? ''), at: instant ?? (0 as Instant) }
  } catch {
    return { target, key, reason: 'unreadable pin', at: 0 as Instant }
  }
}

type Read =
  | { readonly kind: 'text'; readonly text: string }
  /** Gone since the listing. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly why: string }

/** One object that cannot be read says nothing about the target: only what stops all reading does. */
async function readObject(target: Target, key: string, signal: AbortSignal): Promise<Read> {
  try {
    return { kind: 'text', text: await readText(target, key, signal) }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ObjectMissing) return { kind: 'absent' }
    return { kind: 'unreadable', why: messageOf(error) }
  }
}
