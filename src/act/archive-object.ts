import { manifestKey } from '../core/archive-key.ts'
import { allEncryptions } from '../core/encryptions.ts'
import type { DesiredTarget } from '../core/model.ts'
import { ManifestRefused, messageOf, ObjectMissing, RestoreFailed } from '../lib/errors.ts'
import { withTimeLimit } from '../lib/limits.ts'
import { configureTarget, type World } from '../observe/world.ts'
import { loadIdentities } from '../stream/keys.ts'
import { peelLayers } from '../stream/layers.ts'
import { readManifest } from '../stream/signature.ts'
import { readText } from '../stream/text.ts'
import { hashThrough } from '../stream/unseal.ts'
import type { Target } from '../targets/target.ts'
import { copyOfManifest } from './adopt.ts'
import type { Archive } from './archive.ts'

/** Kinds of targets that `s3:` means. */
const BUCKETS: ReadonlySet<string> = new Set(['s3', 'r2', 'b2'])
const LATEST = 'latest'
const HIQLITE_NAME = /^backup_node_\d+_(\d+)\.sqlite$/
const LOOK_LIMIT = 60_000

interface Place {
  readonly target: Target
  readonly declared: DesiredTarget
}

interface Found extends Place {
  readonly key: string
  readonly bytes: number
}

/**
 * The archive that an object of a declared bucket is, whoever put it there. Its manifest decides what
 * it is; without one, as with what Hiqlite pushed, the content does. `latest` is the newest of the
 * backups at a bucket's root that have Hiqlite's names.
 *
 * Throws `RestoreFailed` when no bucket has it, or more than one, and when one could not be looked at.
 */
export async function archiveOfObject(
  object: string,
  world: World,
  signal: AbortSignal,
): Promise<Archive> {
  const found = await findObject(object, world, signal)
  const manifest = await manifestBeside(found, world, signal)
  const { target, declared, key } = found
  const open = (at: AbortSignal) => target.get(key, 0, at)
  const named = { name: key, bytes: found.bytes, target: declared.id, open }
  if (manifest) {
    return {
      ...named,
      sha256: manifest.manifest.stored.sha256,
      manifest: manifest.manifest,
      manifestText: manifest.text,
      layers: manifest.manifest.layers,
      copy: copyOfManifest(manifest.manifest, declared.id),
    }
  }
  // Read twice: what it is restored as must be what was proven, and nothing tells its hash but itself.
  const { sha256 } = await hashThrough(await open(signal), {}, signal)
  const layers = await layersOf(found, world, signal)
  return { ...named, sha256, manifest: null, manifestText: null, layers, copy: null }
}

async function findObject(object: string, world: World, signal: AbortSignal): Promise<Found> {
  const buckets = world.desired.targets.filter(({ kind }) => BUCKETS.has(kind))
  if (buckets.length === 0) {
    throw new RestoreFailed(`s3:${object} names an object, and no bucket is declared`, {
      hint: 'declare a target of type s3, or s3_url in the table of Hiqlite',
    })
  }
  const found: Found[] = []
  const failures: string[] = []
  for (const declared of buckets) {
    const limited = withTimeLimit(signal, LOOK_LIMIT, `the look at ${declared.id}`)
    try {
      const place = { target: await configureTarget(world, declared), declared }
      found.push(...(await lookFor(object, place, limited)))
    } catch (error) {
      signal.throwIfAborted()
      failures.push(`${declared.id}: ${messageOf(limited.aborted ? limited.reason : error)}`)
    }
  }
  // A bucket that cannot be asked may hold a newer one, or another of that name.
  if (failures.length > 0) {
    throw new RestoreFailed(`cannot look for s3:${object}: ${failures.join('; ')}`, {
      hint: 'try the target with: holdfast target test',
    })
  }
  return theOnly(object, found, buckets)
}

function theOnly(
  object: string,
  found: readonly Found[],
  buckets: readonly DesiredTarget[],
): Found {
  const [only, ...others] = object === LATEST ? newestFirst(found) : found
  const ids = (targets: readonly { readonly id: string }[]) => targets.map(({ id }) => id)
  if (!only) {
    const what = object === LATEST ? 'no backup with a name of Hiqlite' : `no object ${object}`
    throw new RestoreFailed(`there is ${what} on ${ids(buckets).join(', ')}`, {
      at: object,
      hint: 'look at what there is with: holdfast backup list',
    })
  }
  if (object !== LATEST && others.length > 0) {
    const where = ids(found.map(({ declared }) => declared)).join(' and ')
    throw new RestoreFailed(
      `there is an object ${object} on ${where}: nobody can tell which is meant`,
      {
        at: object,
        hint: 'ask for the backup instead: job/source@<time>',
      },
    )
  }
  return only
}

async function lookFor(
  object: string,
  place: Place,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  if (object === LATEST) return await hiqliteBackups(place, signal)
  for (const key of keysOf(object, place.declared)) {
    const there = await place.target.stat(key, signal)
    if (there) return [{ ...place, key, bytes: there.bytes }]
  }
  return []
}

/** As we call it, and as whoever looks at the bucket does: with the target's prefix. */
function keysOf(object: string, { options }: DesiredTarget): readonly string[] {
  const { prefix } = options
  if (typeof prefix !== 'string' || prefix === '' || !object.startsWith(prefix)) return [object]
  return [object, object.slice(prefix.length).replace(/^\//, '')]
}

async function hiqliteBackups(place: Place, signal: AbortSignal): Promise<readonly Found[]> {
  const found: Found[] = []
  for await (const { objects } of place.target.list('backup_node_', signal)) {
    for (const { key, bytes } of objects) {
      if (HIQLITE_NAME.test(key)) found.push({ ...place, key, bytes })
    }
  }
  return found
}

function newestFirst(found: readonly Found[]): readonly Found[] {
  const taken = ({ key }: Found) => Number(HIQLITE_NAME.exec(key)?.[1] ?? 0)
  return found.toSorted((one, other) => taken(other) - taken(one))
}

async function manifestBeside({ target, key }: Found, world: World, signal: AbortSignal) {
  const text = await readText(target, manifestKey(key), signal).catch((error: unknown) => {
    if (error instanceof ObjectMissing) return null
    throw error
  })
  if (text === null) return null
  const read = await readManifest(text, world.desired.signing, null)
  const why = read.kind === 'foreign' ? read.why : null
  if (read.kind === 'ours' && read.manifest.key === key) return { text, manifest: read.manifest }
  throw new ManifestRefused(
    `the manifest of ${key} does not count: ${why ?? 'it is about another archive'}`,
    { at: key, hint: 'choose another object, or download it and use file:<path>' },
  )
}

async function layersOf(
  { target, key, declared }: Found,
  world: World,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keys = await loadIdentities(allEncryptions(world.desired))
  const layers = await peelLayers(await target.get(key, 0, signal), key, keys, signal)
  if (layers) return layers
  throw new RestoreFailed(
    `${key} on ${declared.id} is no archive that can be told by its content`,
    {
      at: key,
      hint: 'it should be a tar, SQLite, zstd, gzip, age or cryptr file',
    },
  )
}
