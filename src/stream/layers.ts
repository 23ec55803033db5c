import { AGE_MAGIC } from './age-header.ts'
import { decompressionWay } from './compressors.ts'
import { decryptor, inflated } from './content.ts'
import { beginsAsCryptr } from './cryptr-header.ts'
import type { Identity } from './keys.ts'

/** What the end of a name says of the layer that comes there, from the outside in. */
const ENDINGS: readonly (readonly [ending: string, layer: string])[] = [
  ['.age', 'age'],
  ['.cryptr', 'cryptr'],
  ['.zst', 'zstd'],
  ['.gz', 'gzip'],
]

const CONTENTS: readonly (readonly [ending: string, layer: string])[] = [
  ['.tar', 'tar'],
  ['.sqlite', 'sqlite'],
  ['.sqlite3', 'sqlite'],
  ['.db', 'sqlite'],
  ['.sql', 'sql'],
]

/** Layers by a name's extensions, from the inside out: `tar zstd age` for `x.tar.zst.age`. */
export function layersOfName(name: string): readonly string[] {
  let rest = name.toLowerCase().replace(/\.tgz$/, '.tar.gz')
  const outer: string[] = []
  for (;;) {
    const found = ENDINGS.find(([ending]) => rest.endsWith(ending))
    if (!found) break
    rest = rest.slice(0, -found[0].length)
    outer.unshift(found[1])
  }
  const content = CONTENTS.find(([ending]) => rest.endsWith(ending))
  return [content?.[1] ?? 'raw', ...outer]
}

/**
 * Layers of an archive that has no manifest, by its content down to the innermost layer: undoes as
 * much of the beginning as that takes, then lets `body` go. What the content does not tell, its name
 * does; null when neither tells anything. Throws `CannotDecrypt` and `ArchiveDamaged` as a restore would.
 */
export async function peelLayers(
  body: AsyncIterable<Uint8Array>,
  name: string,
  keys: readonly Identity[],
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const found: string[] = []
  let chunks = body
  for (;;) {
    const { head, whole, letGo } = await behead(chunks)
    const seen = layerOf(head)
    if (seen === 'age' || seen === 'cryptr') chunks = decryptor(seen, keys, signal)(whole)
    else if (seen === 'zstd' || seen === 'gzip') chunks = await inflate(seen, whole)
    else {
      await letGo()
      const content = seen ?? contentOfName(name)
      return content === 'raw' && found.length === 0 ? null : [content, ...found]
    }
    found.unshift(seen)
  }
}

function contentOfName(name: string): string {
  return layersOfName(name)[0] ?? 'raw'
}

interface Beheaded {
  /** The first 512 bytes or more, unless there are fewer. */
  readonly head: Uint8Array
  /** All of it, the head included. */
  readonly whole: AsyncGenerator<Uint8Array>
  letGo(): Promise<unknown>
}

async function behead(chunks: AsyncIterable<Uint8Array>): Promise<Beheaded> {
  const iterator = chunks[Symbol.asyncIterator]()
  const letGo = async () => await iterator.return?.()
  let head: Buffer = Buffer.alloc(0)
  while (head.length < 512) {
    const next = await iterator.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  async function* whole() {
    try {
      yield head
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        yield next.value
      }
    } finally {
      await letGo()
    }
  }
  return { head, whole: whole(), letGo }
}

/** In this process, whatever programs there are: it is only about a beginning. */
async function inflate(
  layer: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  const way = await decompressionWay(layer, '')
  if (way.kind !== 'in-process') throw new Error('a program was found on an empty path')
  return inflated(chunks, way.make())
}

/** The layer that begins like this, or null. */
function layerOf(head: Uint8Array): string | null {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  if (startsWith(bytes, AGE_MAGIC)) return 'age'
  if (startsWith(bytes, '\x28\xb5\x2f\xfd')) return 'zstd'
  if (startsWith(bytes, '\x1f\x8b')) return 'gzip'
  if (startsWith(bytes, 'SQLite format 3\0')) return 'sqlite'
  if (startsWith(bytes, 'PGDMP')) return 'pgdump'
  if (startsWith(bytes, '--\n-- PostgreSQL database ')) return 'sql'
  if (isTarHeader(bytes)) return 'tar'
  // Last, for its magic is two bytes.
  return beginsAsCryptr(bytes) ? 'cryptr' : null
}

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.subarray(0, text.length).toString('latin1') === text
}

/** By its checksum, which old tars without a magic word have too. */
function isTarHeader(bytes: Buffer): boolean {
  if (bytes.length < 512 || bytes[0] === 0) return false
  const written = Number.parseInt(bytes.toString('latin1', 148, 156).trim(), 8)
  let sum = 8 * 32
  for (const [index, byte] of bytes.subarray(0, 512).entries()) {
    if (index < 148 || index >= 156) sum += byte
  }
  return sum === written
}
