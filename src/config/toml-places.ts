import type { Place } from './tree.ts'

/** Where the keys and values of a TOML text stand, by the JSON text of their path. */
export interface TomlPlaces {
  readonly keys: ReadonlyMap<string, Place>
  readonly values: ReadonlyMap<string, Place>
}

type Path = readonly (string | number)[]

/** How the path of a key or value is spelled in `TomlPlaces`. */
export function pathKey(path: Path): string {
  return JSON.stringify(path)
}

/**
 * Finds the place of every key and value. The parser tells places for syntax errors only, so this
 * walks the text once more; it expects a text that the parser has accepted.
 */
export function findTomlPlaces(text: string, file: string): TomlPlaces {
  const keys = new Map<string, Place>()
  const values = new Map<string, Place>()
  const lengths = new Map<string, number>()
  const placeAt = placeFinder(text, file)
  let offset = 0

  const skip = (pattern: RegExp) => {
    pattern.lastIndex = offset
    offset += pattern.exec(text)?.[0].length ?? 0
  }
  const skipBlank = () => skip(/(?:[ \t\r\n]|#[^\n]*)*/y)
  const see = (map: Map<string, Place>, path: Path, at: number) => {
    const key = pathKey(path)
    if (!map.has(key)) map.set(key, placeAt(at))
  }

  /** `a."b c".d` with the place of each part, up to the `=` or `]` behind it. */
  const dottedKey = (base: Path, throughTables: 'yes' | 'no'): Path => {
    let path = base
    for (;;) {
      skip(/[ \t]*/y)
      const at = offset
      path = [...path, keyPart()]
      see(keys, path, at)
      see(values, path, at)
      skip(/[ \t]*/y)
      if (text[offset] !== '.') return path
      offset += 1
      const length = throughTables === 'yes' ? lengths.get(pathKey(path)) : undefined
      if (length !== undefined) path = [...path, length - 1]
    }
  }

  const keyPart = (): string => {
    const start = offset
    if (text[offset] === '"' || text[offset] === "'") {
      skipString()
      const raw = text.slice(start, offset)
      return raw.startsWith('"') ? unquote(raw) : raw.slice(1, -1)
    }
    skip(/[^\s.=\]#]*/y)
    return text.slice(start, offset)
  }

  const skipString = () => {
    const quote = text[offset]
    const long = text.startsWith(`${quote}${quote}${quote}`, offset)
    if (quote === '"') skip(long ? /"""(?:\\.|[^\\])*?"""(?:"{0,2})/sy : /"(?:\\.|[^"\\])*"/y)
    else skip(long ? /'''.*?'''(?:'{0,2})/sy : /'[^']*'/y)
  }

  const value = (path: Path): void => {
    values.set(pathKey(path), placeAt(offset))
    if (text[offset] === '[') list(path)
    else if (text[offset] === '{') table(path)
    else if (text[offset] === '"' || text[offset] === "'") skipString()
    else skip(/[^,\]}#\n]*/y)
  }

  const list = (path: Path): void => {
    offset += 1
    for (let index = 0; ; index++) {
      skipBlank()
      if (text[offset] === ']' || offset >= text.length) break
      value([...path, index])
      skipBlank()
      if (text[offset] === ',') offset += 1
    }
    offset += 1
  }

  const table = (path: Path): void => {
    offset += 1
    for (;;) {
      skipBlank()
      if (text[offset] === '}' || offset >= text.length) break
      assignment(path)
      skipBlank()
      if (text[offset] === ',') offset += 1
    }
    offset += 1
  }

  const assignment = (base: Path): void => {
    const path = dottedKey(base, 'no')
    offset += 1
    skip(/[ \t]*/y)
    value(path)
  }

  const header = (): Path => {
    const start = offset
    const isList = text.startsWith('[[', offset)
    offset += isList ? 2 : 1
    const path = dottedKey([], 'yes')
    offset += isList ? 2 : 1
    if (!isList) return path
    const index = lengths.get(pathKey(path)) ?? 0
    lengths.set(pathKey(path), index + 1)
    const item = [...path, index]
    values.set(pathKey(item), placeAt(start))
    return item
  }

  let current: Path = []
  for (skipBlank(); offset < text.length; skipBlank()) {
    const before = offset
    if (text[offset] === '[') current = header()
    else assignment(current)
    // A text that the parser has not accepted must not keep us here.
    if (offset === before) break
  }
  return { keys, values }
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted.replaceAll(/\\U([0-9a-f]{8})/gi, longEscape)))
  } catch {
    return quoted.slice(1, -1)
  }
}

function longEscape(_: string, hex: string): string {
  return String.fromCodePoint(Number.parseInt(hex, 16))
}

function placeFinder(text: string, file: string): (offset: number) => Place {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { file, line: low + 1, col: offset - (starts[low] ?? 0) + 1 }
  }
}
