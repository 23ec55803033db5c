import type { Replacement } from '../source.ts'
import { isOwnFolder } from '../tree/excludes.ts'
import type { Access } from './access.ts'
import { READING, runInside } from './inside.ts'
import { INSIDE, type Place } from './place.ts'

/** What a helper sees in the volume, in words. */
export async function describeInside(
  place: Place,
  access: Exclude<Access, { kind: 'path' }>,
  signal: AbortSignal,
): Promise<Pick<Replacement, 'now' | 'remarks'>> {
  if (access.kind === 'engine') return { now: 'what it holds', remarks: [] }
  const argv = ['ls', '-A', INSIDE]
  const asked = { image: access.box.image, argv, capabilities: READING }
  const { stdout } = await runInside(place, asked, signal)
  const names = stdout.split('\n').filter((name) => name !== '' && !isOwnFolder(name))
  const entries = names.length === 1 ? '1 entry' : `${names.length} entries`
  return { now: `directory with ${entries}`, remarks: [`by a container: ${access.why}`] }
}
