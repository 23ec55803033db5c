import { archiveKey } from '../core/archive-key.ts'
import { wayOf } from '../core/encryptions.ts'
import type { ManifestEncryption } from '../core/manifest.ts'
import type { Backup, DesiredJob, DesiredSource, TargetId } from '../core/model.ts'
import { groupedBy } from '../core/order.ts'
import { extensionOf, layersOf } from '../stream/archive.ts'
import { fanOut } from '../stream/fan-out.ts'
import { encryptionOf, type SealingKeys } from '../stream/keys.ts'
import type { Reading } from '../stream/meter.ts'
import { reseal } from '../stream/resealed.ts'
import type { Sealed } from '../stream/seal.ts'

/** One way to close an archive, and the targets that hold it closed so. A job has one, or few. */
export interface Edition {
  readonly key: string
  /** From the inside out. */
  readonly layers: readonly string[]
  readonly keys: SealingKeys | null
  readonly encryption: ManifestEncryption | null
  readonly targets: readonly TargetId[]
}

/** What a source is archived as, before anything is done to it. */
export interface Content {
  readonly layer: string
  readonly extension: string
}

/** The editions of an archive, in the order of the job's targets. */
export async function editionsOf(
  backup: Backup,
  { layer, extension }: Content,
  job: DesiredJob,
  source: DesiredSource,
): Promise<readonly Edition[]> {
  const ways = groupedBy(job.targets, ({ encryption }) => wayOf(encryption))
  return await Promise.all(
    [...ways.values()].map(async (alike) => {
      const way = alike[0]?.encryption ?? null
      const targets = alike.map(({ target }) => target)
      const layers = layersOf(layer, job.compression, way)
      const key = archiveKey(job, source, backup.startedAt, extensionOf(layers, extension))
      const { keys, manifest } = await encryptionOf(way)
      return { key, layers, keys, encryption: manifest, targets }
    }),
  )
}

/** An edition on its way to its targets. */
export interface EditionBody {
  readonly edition: Edition
  readonly body: AsyncIterable<Uint8Array>
  /** Of all that was stored, once the body has ended. */
  reading(): Promise<Reading>
}

/** What one edition is closed with while it is sealed; several are closed after they part. */
export function sharedKeys(editions: readonly Edition[]): SealingKeys | null {
  const [only, ...others] = editions
  return only && others.length === 0 ? only.keys : null
}

/** A body for each edition of what was sealed with `sharedKeys`: read once, closed as each wants it. */
export function editionBodies(
  sealed: Sealed,
  editions: readonly Edition[],
  signal: AbortSignal,
): readonly EditionBody[] {
  const asSealed = async () => (await sealed.outcome).stored
  const bodies = editions.length === 1 ? [sealed.body] : fanOut(sealed.body, editions.length)
  return editions.map((edition, index) => {
    const body = bodies[index]
    if (!body) throw new Error('fan-out gave too few bodies')
    if (editions.length === 1 || edition.keys === null) return { edition, body, reading: asSealed }
    const closed = reseal(body, edition.keys, signal)
    const reading = async () => {
      await sealed.outcome
      const end = closed.reading()
      if (!end) throw new Error(`the body of ${edition.key} never ended`)
      return end
    }
    return { edition, body: closed.body, reading }
  })
}
