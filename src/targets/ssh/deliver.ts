import type { Bytes } from '../../core/model.ts'
import { unlessAborted } from '../../lib/limits.ts'
import { letGo, pour } from '../../platform/pour.ts'
import type { Putting, Stored } from '../target.ts'
import { erase, type Place, partOf, removeEmptyFolders } from './place.ts'
import { ConnectionLost, isRefusal, NO_SUCH_FILE } from './refusal.ts'
import type { Stay, Visits } from './visit.ts'
import { begin, checkSpace, isLinked, publish, remoteWriter, seal } from './write.ts'

export interface Delivery {
  readonly key: string
  readonly body: AsyncIterable<Uint8Array>
  readonly putting: Putting
}

/** What a put came to before it failed. */
interface Begun {
  readonly key: string
  readonly token: string
  /** How long the whole file is that waits under its unfinished name; null before that. */
  readonly sealed: number | null
}

/** Ends soon after an abort: a host that hangs must not hang who writes to it. */
export async function deliver(
  visits: Visits,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Stored> {
  const { key, body, putting } = delivery
  partOf('', key, putting.token)
  const stay = await visits.stay(`write ${key}`, signal).catch((error: unknown) => {
    letGo(body)
    throw error
  })
  const work = putObject(visits, stay, delivery, signal)
  try {
    return await unlessAborted(work, signal, visits.limits.tidyUp)
  } catch (error) {
    // A success after we gave it up must not count.
    work.then(() => withdraw(visits, key)).catch(() => {})
    throw error
  } finally {
    stay.leaveAfter(work)
  }
}

async function putObject(
  visits: Visits,
  stay: Stay,
  { key, body, putting }: Delivery,
  signal: AbortSignal,
): Promise<Stored> {
  const { place } = stay
  const { token, expected } = putting
  const part = partOf(place.root, key, token)
  const reach = <T>(work: Promise<T>) =>
    work.catch(async (error: unknown) => {
      throw await stay.meant(error)
    })
  const handle = await reach(begin(place, key, part)).catch(async (error: unknown) => {
    letGo(body)
    // The answer to the creation may be what got lost.
    if (isLost(error)) await settle(visits, stay, { key, token, sealed: null }).catch(() => {})
    throw error
  })
  let sealed: number | null = null
  try {
    if (expected) await reach(checkSpace(place, key, visits.label, expected))
    const writer = remoteWriter(place.sftp, handle)
    const bytes = await pour(body, (batch) => reach(writer.write(batch)), signal)
    await reach(writer.end())
    await reach(seal(place.sftp, handle, bytes))
    signal.throwIfAborted()
    sealed = bytes
    await reach(publish(place, key, part))
    return { bytes: bytes as Bytes, readback: 'size' }
  } catch (error) {
    letGo(body)
    if (sealed === null) place.sftp.close(handle).catch(() => {})
    const end = await settle(visits, stay, { key, token, sealed }).catch(() => 'unknown')
    if (end !== 'published') throw error // `unfinished` tells of what could not be taken back
    return { bytes: sealed as Bytes, readback: 'size' }
  }
}

/**
 * Takes back what a put began, on a new connection when its own is gone, and finds out whether it
 * got its name before the answer was lost: nobody else gives our unfinished file a name.
 */
async function settle(
  visits: Visits,
  stay: Stay,
  begun: Begun,
): Promise<'published' | 'taken back'> {
  const inTime = AbortSignal.timeout(visits.limits.tidyUp)
  const again = stay.isLost() ? await visits.stay(`write ${begun.key}`, inTime) : null
  const taking = takeBack((again ?? stay).place, begun)
  try {
    return await unlessAborted(taking, inTime)
  } finally {
    again?.leaveAfter(taking)
  }
}

async function takeBack(
  place: Place,
  { key, token, sealed }: Begun,
): Promise<'published' | 'taken back'> {
  const part = partOf(place.root, key, token)
  const isNamed = sealed !== null && (await isLinked(place, key, part))
  const refusal = await place.sftp.unlink(part).catch((error: unknown) => error)
  if (isNamed) return 'published'
  if (isRefusal(refusal, NO_SUCH_FILE) && sealed !== null) {
    const found = await place.sftp.lstat(`${place.root}/${key}`)
    if (found?.isFile() && found.size === sealed) return 'published'
  } else if (refusal !== undefined && !isRefusal(refusal, NO_SUCH_FILE)) throw refusal
  await removeEmptyFolders(place, part)
  return 'taken back'
}

async function withdraw(visits: Visits, key: string): Promise<void> {
  const inTime = AbortSignal.timeout(visits.limits.connect)
  await visits.visit(`remove ${key}`, inTime, (place) => erase(place, `${place.root}/${key}`))
}

function isLost(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof ConnectionLost
}
