import { Readable } from 'node:stream'
import { pinKey } from '../core/archive-key.ts'
import type { Copy, Pin } from '../core/model.ts'
import type { UnfinishedObject } from '../core/observed.ts'
import { ObjectExists, Refused } from '../lib/errors.ts'
import { iso } from '../lib/time.ts'
import { openTarget, type World } from '../observe/world.ts'
import type { Target } from '../targets/target.ts'
import { removeOne } from './remove-one.ts'

/** Keeps a copy whatever retention says, by a small object beside it. Pinning twice keeps the first reason. */
export async function pin(
  copy: Pick<Copy, 'target' | 'key' | 'backup'>,
  reason: string,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const target = await openTarget(world, copy.target)
  const key = pinKey(copy.key)
  const text = `${JSON.stringify({ version: 1, reason, at: iso(world.now()) }, null, 2)}\n`
  const put = () =>
    target.put(key, Readable.from([Buffer.from(text)]), { token: copy.backup }, signal)
  try {
    await put().catch(async (error: unknown) => {
      if (!(error instanceof Refused)) throw error
      // A death in the middle of an earlier pin left its beginning under our very name.
      await abortOwn(target, { key, token: copy.backup }, signal)
      return await put()
    })
  } catch (error) {
    if (!(error instanceof ObjectExists)) throw error
  }
}

async function abortOwn(
  target: Target,
  { key, token }: Pick<UnfinishedObject, 'key' | 'token'>,
  signal: AbortSignal,
): Promise<void> {
  for await (const { unfinished } of target.list(key, signal)) {
    for (const one of unfinished) {
      if (one.key === key && one.token === token) await target.abort(one, signal)
    }
  }
}

/** Gives a copy back to retention. Unpinning what is not pinned succeeds. */
export async function unpin(
  copy: Pick<Pin, 'target' | 'key'>,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const target = await openTarget(world, copy.target)
  await removeOne(target, pinKey(copy.key), signal)
}
