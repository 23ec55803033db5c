import { Readable } from 'node:stream'
import { PLACE_KEY } from '../core/archive-key.ts'
import type { TargetId } from '../core/model.ts'
import { ObjectMissing, TargetUnreachable } from '../lib/errors.ts'
import type { Store } from '../state/store.ts'
import { readText } from '../stream/text.ts'
import type { Target } from '../targets/target.ts'

/** A file of our own on a disk that answers. */
const LIMIT = 10_000

/** A local target of a state that several instances share. */
export interface SharedPlace {
  readonly id: TargetId
  readonly target: Target
  readonly store: Pick<Store, 'fact' | 'saveFact'>
  readonly newId: () => string
  /** How long the disk may take for one question, in milliseconds; 10 seconds unless told. */
  readonly limit?: number
}

/**
 * Makes sure that the folder of a local target is the same one for every instance: the first one to
 * use it leaves a mark in it. Elsewhere the copies would look as if they were gone. Throws
 * `TargetUnreachable` for another folder.
 */
export async function provePlace(place: SharedPlace): Promise<void> {
  const { id, target, store, newId, limit = LIMIT } = place
  const fact = `place:${id}`
  const known = await store.fact(fact)
  // The time of the disk begins now: the state may have been waited for.
  const found = await markOn(target, AbortSignal.timeout(limit))
  if (known !== null && found === known) return
  if (known !== null) throw elsewhere(id, known)
  const mark = found ?? newId()
  if (found === null) {
    const body = Readable.from([Buffer.from(mark)])
    const signal = AbortSignal.timeout(limit)
    await target.put(PLACE_KEY, body, { token: mark, expected: mark.length }, signal)
  }
  await store.saveFact(fact, mark)
  // Another instance may have said the same of another folder.
  const agreed = await store.fact(fact)
  if (agreed !== mark) throw elsewhere(id, agreed ?? mark)
}

async function markOn(target: Target, signal: AbortSignal): Promise<string | null> {
  try {
    return (await readText(target, PLACE_KEY, signal)).trim()
  } catch (error) {
    if (error instanceof ObjectMissing) return null
    throw error
  }
}

function elsewhere(id: TargetId, mark: string): TargetUnreachable {
  return new TargetUnreachable(
    `the folder of target ${id} is not the one that the other instances use`,
    {
      at: id,
      hint: `mount the same folder on every instance; if it is the right one, write ${mark} into ${PLACE_KEY} in it`,
    },
  )
}
