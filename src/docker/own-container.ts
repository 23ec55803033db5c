import { readFile } from 'node:fs/promises'

/** Id of the container that this process runs in, or null. */
export async function ownContainer(): Promise<string | null> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  return /\/containers\/([0-9a-f]{64})\//.exec(mounts)?.[1] ?? null
}
