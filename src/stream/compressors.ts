import type { Transform } from 'node:stream'
import {
  constants,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from 'node:zlib'
import type { Compression } from '../core/model.ts'
import { NotAvailable } from '../lib/errors.ts'
import { unreachable } from '../lib/unreachable.ts'
import { findProgram, type Program } from '../platform/program.ts'

/** How a compression is done or undone: by a program, by a step in this process, or not at all. */
export type Way =
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'in-process'; readonly make: () => Step }
  | { readonly kind: 'none' }

/** A step of `node:zlib`; `bytesWritten` tells how much of its input belonged to the format. */
export type Step = Transform & { readonly bytesWritten: number }

const CHUNK = 256 * 1024

/** Programs are looked for in `path`; the environment's PATH unless told. Threads 0: one for each core. */
export async function compressionWay(
  compression: Compression,
  threads: number,
  path?: string,
): Promise<Way> {
  switch (compression.kind) {
    case 'none':
      return { kind: 'none' }
    case 'zstd':
      return await zstdWay(compression.level, threads, path)
    case 'gzip':
      return await gzipWay(compression.level, threads, path)
    default:
      return unreachable(compression)
  }
}

async function zstdWay(level: number, threads: number, path?: string): Promise<Way> {
  const command = await findProgram('zstd', path)
  if (command) {
    // Its frame checksum is what proves the content at a verify.
    const args = ['-q', '-c', '--check', `-T${threads}`, ...zstdLevel(level)]
    return { kind: 'program', program: { command, args } }
  }
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
  }
  const make = () => createZstdCompress({ chunkSize: CHUNK, params })
  return { kind: 'in-process', make }
}

function zstdLevel(level: number): readonly string[] {
  if (level < 0) return [`--fast=${-level}`]
  return level > 19 ? ['--ultra', `-${level}`] : [`-${level}`]
}

async function gzipWay(level: number, threads: number, path?: string): Promise<Way> {
  const pigz = await findProgram('pigz', path)
  if (pigz) {
    const parallel = threads > 0 ? ['-p', String(threads)] : []
    return {
      kind: 'program',
      program: { command: pigz, args: ['-c', '-n', ...parallel, `-${level}`] },
    }
  }
  const gzip = await findProgram('gzip', path)
  if (gzip) return { kind: 'program', program: { command: gzip, args: ['-c', '-n', `-${level}`] } }
  return { kind: 'in-process', make: () => createGzip({ level, chunkSize: CHUNK }) }
}

/** The reverse of a compression layer; `none` for a null layer. Throws `NotAvailable` for others. */
export async function decompressionWay(layer: string | null, path?: string): Promise<Way> {
  switch (layer) {
    case null:
      return { kind: 'none' }
    case 'zstd': {
      const command = await findProgram('zstd', path)
      if (command) return { kind: 'program', program: { command, args: ['-q', '-d', '-c'] } }
      return { kind: 'in-process', make: () => createZstdDecompress({ chunkSize: CHUNK }) }
    }
    case 'gzip': {
      // Not pigz: it passes over garbage after the end without a word.
      const command = await findProgram('gzip', path)
      if (command) return { kind: 'program', program: { command, args: ['-d', '-c'] } }
      return { kind: 'in-process', make: () => createGunzip({ chunkSize: CHUNK }) }
    }
    default:
      throw new NotAvailable(`archive layer ${layer}`)
  }
}
