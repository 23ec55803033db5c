import { createHash } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Desired, InstanceId } from '../core/model.ts'
import type { World } from '../observe/world.ts'

/** A folder of our own for one piece of work, gone when it is disposed of. */
export interface Scratch extends AsyncDisposable {
  readonly path: string
}

/** Makes `{home}/{instance}/{token}`, 0700: the instance in its path lets a later start sweep what a dead one left. */
export async function makeScratch(world: World, token: string): Promise<Scratch> {
  const path = join(scratchHome(world.desired), world.instance, token)
  await mkdir(path, { recursive: true, mode: 0o700 })
  return {
    path,
    // What cannot be removed is swept at a later start; it must not turn what was done into a failure.
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }).catch(() => {}),
  }
}

/**
 * The folder in `scratch_dir` that belongs to this data_dir alone: a declared scratch_dir may be
 * /tmp, or shared with another deployment, and what is not ours there is not ours to sweep.
 */
export function scratchHome({ scratchDir, dataDir }: Desired): string {
  const mark = createHash('sha256').update(dataDir).digest('hex').slice(0, 12)
  return join(scratchDir, `holdfast-${mark}`)
}

const INSTANCE = /^[0-9a-z]{18}$/

/** Removes what dead instances of this data_dir left in scratch. Those that live keep theirs. */
export async function sweepScratch(world: World): Promise<void> {
  const home = scratchHome(world.desired)
  const names = await readdir(home).catch(() => [])
  for (const name of names) {
    if (!INSTANCE.test(name) || (await world.leases.isAlive(name as InstanceId))) continue
    await rm(join(home, name), { recursive: true, force: true })
  }
}
