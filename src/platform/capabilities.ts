import { readFile } from 'node:fs/promises'

/** Bits of the kernel's capabilities, as `capability.h` numbers them. */
const BITS = {
  chown: 0,
  dacOverride: 1,
  dacReadSearch: 2,
  fowner: 3,
  fsetid: 4,
  mknod: 27,
  setfcap: 31,
} as const

/** What lets a process pass over the permissions of files. */
export type Capability = keyof typeof BITS

/** The capabilities that this process may use; none on a system that does not tell. */
export async function ownCapabilities(): Promise<ReadonlySet<Capability>> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const all = Object.entries(BITS) as readonly (readonly [Capability, number])[]
  return new Set(all.flatMap(([name, bit]) => ((mask >> BigInt(bit)) & 1n ? [name] : [])))
}
