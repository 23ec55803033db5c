import { mergeDocuments } from './documents.ts'
import type { Faults } from './faults.ts'
import type { MapTree, Tree } from './tree.ts'
import { parseYaml } from './yaml.ts'

/**
 * The bytes of a config as one map, whose places name `file`. A name that ends in `.toml` is TOML,
 * anything else YAML. Null, and a fault that never quotes the text, when it does not parse.
 */
export async function parseConfig(
  bytes: Uint8Array,
  file: string,
  faults: Faults,
): Promise<MapTree | null> {
  const whole = { file, line: 0, col: 0 }
  const text = decode(bytes)
  if (text === null) {
    faults.add(whole, '', 'is not UTF-8 text')
    return null
  }
  const documents = await documentsOf(text, file, faults)
  if (documents === null) return null
  if (documents.length === 0) {
    faults.add(whole, '', 'is empty', 'make one with: holdfast config init')
  }
  return mergeDocuments(documents, file, faults)
}

/** Without a byte order mark. */
function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

/** Null when the syntax is broken. */
async function documentsOf(
  text: string,
  file: string,
  faults: Faults,
): Promise<readonly Tree[] | null> {
  try {
    if (!file.endsWith('.toml')) return parseYaml(text, file, faults)
    // Loaded by those alone who write TOML: a daemon keeps what it has loaded.
    const { parseToml } = await import('./toml.ts')
    const tree = parseToml(text, file, faults)
    if (tree === null) return null
    return tree.kind === 'map' && tree.entries.size === 0 ? [] : [tree]
  } catch (error) {
    // The parsers call themselves for each level.
    if (!(error instanceof RangeError)) throw error
    faults.add({ file, line: 0, col: 0 }, '', 'is nested too deep')
    return null
  }
}
