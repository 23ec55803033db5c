import { Readable } from 'node:stream'
import { pinKey } from '../core/archive-key.ts'
import type { Copy, Pin } from '../core/model.ts'
import { ObjectExists } from '../lib/errors.ts'
import { iso } from '../lib/time.ts'
import { openTarget, type World } from '../observe/world.ts'

/** Keeps a copy whatever retention says, by a small object beside it. Pinning twice keeps the first reason. */
export async function pin(
  copy: Pick<Copy, 'target' | 'key' | 'backup'>,
  reason: string,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const target = await openTarget(world, copy.target)
  const text = `${JSON.stringify({ version: 1, reason, at: iso(world.now()) }, null, 2)}\n`
  try {
    await target.put(pinKey(copy.key), Readable.from([Buffer.from(text)]), copy.backup, signal)
  } catch (error) {
    if (!(error instanceof ObjectExists)) throw error
  }
}

/** Gives a copy back to retention. Unpinning what is not pinned succeeds. */
export async function unpin(
  copy: Pick<Pin, 'target' | 'key'>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const target = await openTarget(world, copy.target)
  await target.remove(pinKey(copy.key), signal)
}
