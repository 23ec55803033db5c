import type { CopyAction } from '../core/action.ts'
import { manifestKey, standsApart } from '../core/archive-key.ts'
import type { Manifest } from '../core/manifest.ts'
import type { Copy, Encryption } from '../core/model.ts'
import type { Lease } from '../leases/lease.ts'
import { ArchiveDamaged, messageOf, TargetUnreachable } from '../lib/errors.ts'
import { declaredJob, openTarget, type World } from '../observe/world.ts'
import { extensionOf, layersOf } from '../stream/archive.ts'
import { encryptionOf } from '../stream/keys.ts'
import { meter, type Reading } from '../stream/meter.ts'
import { reseal } from '../stream/resealed.ts'
import { signManifest } from '../stream/signature.ts'
import type { Stored, Target } from '../targets/target.ts'
import { type Archive, archiveOfCopy } from './archive.ts'

/**
 * Brings a target the copy that it lacks, from one that has it, hashed on the way: the same bytes
 * under the same manifest, or a plain archive closed as the target wants it, under its own. The
 * manifest comes last, and only while the lease is ours; what fails leaves nothing that counts.
 */
export async function copyArchive(
  action: CopyAction,
  world: World,
  lease: Lease,
  signal: AbortSignal,
): Promise<Copy> {
  const archive = await archiveOfCopy(action.from, world, signal)
  const { manifest } = archive
  if (!manifest) throw new Error('the archive of a copy has a manifest')
  const way = declaredJob(world.desired, action.subject).targets.find(
    ({ target }) => target === action.target,
  )
  const edition = await newEdition(manifest, way?.encryption ?? null)
  const row = openedRow(action, edition.key)
  await world.store.saveCopy(row)
  try {
    const target = await openTarget(world, action.target)
    // Of this try alone: one that comes too late must not take another's object for its own.
    const token = `${manifest.backup}.${world.newId()}`
    const pouring = { archive, manifest, edition, target, token }
    const { stored, reading } = await pour(pouring, world, signal)
    await lease.confirm()
    await writeManifest({ ...pouring, reading }, world, signal)
    const { bytes, sha256 } = reading
    const takenAt = manifest.finished
    const { readback } = stored
    const encryption = edition.closing?.manifest ?? manifest.encryption
    const whole = { bytes, sha256, readback, takenAt, encryption }
    const done = { ...row, status: 'complete', ...whole } as const
    await world.store.saveCopy(done)
    return done
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error
    await world.store.saveCopy({ ...row, status: 'failed', error: messageOf(cause) })
    throw cause
  }
}

/** How the archive is to lie on the target. */
interface NewEdition {
  readonly key: string
  /** Null: the very bytes of the copy that it is made from. */
  readonly closing: Awaited<ReturnType<typeof encryptionOf>> | null
  readonly layers: readonly string[]
}

async function newEdition(manifest: Manifest, way: Encryption | null): Promise<NewEdition> {
  const { key, layers, encryption } = manifest
  if (encryption !== null || way === null) return { key, closing: null, layers }
  const [added = ''] = layersOf('raw', { kind: 'none' }, way).slice(1)
  const ending = extensionOf(['raw', added], '')
  const named = standsApart(key) ? key : key + ending
  return { key: named, closing: await encryptionOf(way), layers: [...layers, added] }
}

function openedRow({ from, target }: CopyAction, key: string): Copy {
  return {
    ...from,
    target,
    key,
    status: 'writing',
    bytes: null,
    sha256: null,
    readback: null,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
  }
}

interface Pouring {
  readonly archive: Archive
  readonly manifest: Manifest
  readonly edition: NewEdition
  readonly target: Target
  readonly token: string
}

async function pour(
  { archive, manifest, edition, target, token }: Pouring,
  world: World,
  signal: AbortSignal,
): Promise<{ readonly stored: Stored; readonly reading: Reading }> {
  const whole = proven(await archive.open(signal), { archive, manifest }, world, signal)
  const keys = edition.closing?.keys ?? null
  const closed = keys === null ? null : reseal(whole, keys, signal)
  const putting = { token, expected: manifest.stored.bytes }
  const stored = await target.put(edition.key, closed?.body ?? whole, putting, signal)
  const reading = closed ? closed.reading() : manifest.stored
  if (!reading || stored.bytes !== reading.bytes) {
    throw new TargetUnreachable(
      `the target holds ${stored.bytes} bytes of an archive of ${reading?.bytes}`,
    )
  }
  return { stored, reading }
}

/** The stored bytes, which end well only when they are those that the manifest tells of. */
async function* proven(
  body: AsyncIterable<Uint8Array>,
  { archive, manifest }: Pick<Pouring, 'archive' | 'manifest'>,
  world: World,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const gauge = meter()
  for await (const chunk of body) {
    gauge.push(chunk)
    await world.throttle?.take(chunk.byteLength, signal)
    const bytes = gauge.bytes()
    const total = manifest.stored.bytes
    world.progress({ what: 'copy', subject: archive.name, bytes, total, done: false })
    yield chunk
  }
  const { bytes, sha256 } = gauge.reading()
  if (bytes === manifest.stored.bytes && sha256 === manifest.stored.sha256) return
  throw new ArchiveDamaged(`${archive.name} on ${archive.target} is not what was written`, {
    at: archive.name,
    hint: 'find what is sound with: holdfast backup verify --all',
  })
}

async function writeManifest(
  { archive, manifest, edition, reading, target, token }: Pouring & { readonly reading: Reading },
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const there = await target.stat(edition.key, signal)
  if (there?.bytes !== reading.bytes) {
    throw new TargetUnreachable(`the target lost ${edition.key} after it was written`)
  }
  const text = await manifestText({ archive, manifest, edition }, reading, world)
  const body = async function* () {
    yield Buffer.from(text)
  }
  await target.put(manifestKey(edition.key), body(), { token }, signal)
}

async function manifestText(
  { archive, manifest, edition }: Omit<Pouring, 'target' | 'token'>,
  stored: Reading,
  world: World,
): Promise<string> {
  const { key, layers, closing } = edition
  if (!closing && archive.manifestText) return archive.manifestText
  const encryption = closing?.manifest ?? null
  return await signManifest({ ...manifest, key, layers, encryption, stored }, world.desired.signing)
}
