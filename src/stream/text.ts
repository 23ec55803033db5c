import type { Readable } from 'node:stream'
import { ArchiveDamaged } from '../lib/errors.ts'

/** No manifest or pin of ours comes near it. */
const LIMIT = 4 * 1024 * 1024

/** What holds small objects: the part of a target that is needed here. */
export interface Getter {
  get(key: string, start: number, signal: AbortSignal): Promise<Readable>
}

/** A small text object, whole. Throws `ArchiveDamaged` for one that is absurdly large. */
export async function readText(from: Getter, key: string, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of await from.get(key, 0, signal)) {
    bytes += chunk.byteLength
    if (bytes > LIMIT) throw new ArchiveDamaged(`${key} is too large for a manifest`, { at: key })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
