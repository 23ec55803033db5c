import { createReadStream } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { nameIn } from './index-file.ts'
import { MAX_NAMED, naming, readable } from './names.ts'

const SET_GROUP_ID = 0o2000
/** A file or a folder that belongs to its group's programs: `-rwxr-sr-x`, `drwxr-S---`. */
const HAS_BIT = /^[-d].{5}[sS]/

/**
 * What came out of an archive without the set-group-ID bit that it has there, as a warning: the kernel
 * takes it off in silence where the process may not keep it (CAP_FSETID) and is not of that group.
 * `index` is what tar told of the members that it unpacked into `tree`.
 */
export async function lostGroupBits(
  tree: string,
  index: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lost: string[] = []
  let total = 0
  const input = createReadStream(index, { encoding: 'latin1', signal })
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (!HAS_BIT.test(line)) continue
    const name = nameIn(line)
    const found = await lstat(Buffer.concat([Buffer.from(`${tree}/`), name])).catch(() => null)
    if (found === null || found.mode & SET_GROUP_ID) continue
    if (total++ < MAX_NAMED) lost.push(readable(name))
  }
  const what = 'entries lost their set-group-ID bit, because this process lacks CAP_FSETID'
  return total === 0 ? [] : [naming(what, lost, total)]
}
