import { parse, TomlDate, TomlError } from 'smol-toml'
import type { Faults } from './faults.ts'
import type { TomlPlaces } from './toml-places.ts'
import { findTomlPlaces, pathKey } from './toml-places.ts'
import type { Entry, Place, Tree } from './tree.ts'

/** The values of a TOML text with their places; null when its syntax is broken. Never quotes the text. */
export function parseToml(text: string, file: string, faults: Faults): Tree | null {
  try {
    const start: Place = { file, line: 1, col: 1 }
    return build(parse(text), [], start, findTomlPlaces(text, file))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // The rest of the message shows the lines around, with whatever stands in them.
    const [first = ''] = error.message.replace('Invalid TOML document: ', '').split('\n')
    faults.add({ file, line: error.line, col: error.column }, '', first)
    return null
  }
}

function build(
  value: unknown,
  path: readonly (string | number)[],
  fallback: Place,
  places: TomlPlaces,
): Tree {
  const place = places.values.get(pathKey(path)) ?? fallback
  if (Array.isArray(value)) {
    const items = value.map((item, index) => build(item, [...path, index], place, places))
    return { kind: 'list', items, place }
  }
  if (typeof value === 'object' && value !== null && !(value instanceof TomlDate)) {
    const entries = new Map<string, Entry>()
    for (const [key, inner] of Object.entries(value)) {
      const at = places.keys.get(pathKey([...path, key])) ?? place
      entries.set(key, { place: at, value: build(inner, [...path, key], at, places) })
    }
    return { kind: 'map', entries, place }
  }
  const isPlain = typeof value === 'number' || typeof value === 'boolean'
  // Its own text, which is a day where the file has a day.
  const text = value instanceof TomlDate ? value.toISOString() : String(value)
  return { kind: 'scalar', value: isPlain ? value : text, place, hidden: false }
}
