import { buffer } from 'node:stream/consumers'
import { startHelper } from '../../docker/helper.ts'
import type { Exit } from '../../platform/program.ts'
import { INSIDE, ownerOf, type Place } from './place.ts'

/** All that a reader needs of root's rights: to pass over permissions, for reading alone. */
export const READING = ['DAC_READ_SEARCH']
/** What it takes to put files back as they were. No device nodes: none is ever restored. */
export const WRITING = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP']

/** A flush of a busy file system, or the removal of millions of files, in milliseconds. */
const LONG = 6 * 60 * 60_000

/** A short program to run beside the volume. */
export interface Asked {
  readonly image: string
  readonly argv: readonly string[]
  readonly capabilities: readonly string[]
}

/** Runs a program in a container of its own with the volume in it; whatever its exit code. */
export async function runInside(
  place: Place,
  { image, argv, capabilities }: Asked,
  signal: AbortSignal,
): Promise<Exit & { readonly stdout: string }> {
  const readOnly = capabilities === READING
  const plan = {
    image,
    argv,
    capabilities,
    bindings: [{ from: place.volume.name, target: INSIDE, readOnly }],
    env: { LC_ALL: 'C' },
    owner: ownerOf(place),
  }
  const far = await startHelper(place.engine, plan, { timeLimit: LONG, signal })
  const stdout = (await buffer(far.stdout)).toString()
  return { ...(await far.exit), stdout }
}
