import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from '../observe/world.ts'

/** A folder of our own for one piece of work, gone when it is disposed of. */
export interface Scratch extends AsyncDisposable {
  readonly path: string
}

/** Makes `{scratch_dir}/{instance}/{token}`, 0700: the instance in its path lets a later start sweep what a dead one left. */
export async function makeScratch(world: World, token: string): Promise<Scratch> {
  const path = join(world.desired.scratchDir, world.instance, token)
  await mkdir(path, { recursive: true, mode: 0o700 })
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
