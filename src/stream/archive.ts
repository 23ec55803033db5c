import type { Compression, Encryption } from '../core/model.ts'

/** Extension that each layer adds to an archive's name. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  tar: '.tar',
  sqlite: '.sqlite',
  pgdump: '.dump',
  sql: '.sql',
  raw: '',
  zstd: '.zst',
  gzip: '.gz',
  age: '.age',
  cryptr: '.cryptr',
}

/** Name of the layer that a compression makes; none for none. */
export function compressionLayers(compression: Compression): readonly string[] {
  return compression.kind === 'none' ? [] : [compression.kind]
}

/** `.tar.zst.age` for the layers `tar zstd age`; `own` replaces the innermost extension. */
export function extensionOf(layers: readonly string[], own: string): string {
  return (
    own +
    layers
      .slice(1)
      .map((layer) => EXTENSIONS[layer] ?? `.${layer}`)
      .join('')
  )
}

/** Layers of an archive from the inside out: `tar zstd age`. */
export function layersOf(
  innermost: string,
  compression: Compression,
  encryption: Encryption | null,
): readonly string[] {
  return [innermost, ...compressionLayers(compression), ...(encryption ? [encryption.scheme] : [])]
}
