import type { Place } from './tree.ts'

/** Where the keys and values of a TOML text stand, by the JSON text of their path. */
export interface TomlPlaces {
  readonly keys: ReadonlyMap<string, Place>
  readonly values: ReadonlyMap<string, Place>
}

type Path = readonly (string | number)[]

/** A walk through the text. */
interface Scan {
  readonly text: string
  readonly keys: Map<string, Place>
  readonly values: Map<string, Place>
  /** How many tables each list of tables has so far. */
  readonly lengths: Map<string, number>
  placeAt(offset: number): Place
  offset: number
}

/** How the path of a key or value is spelled in `TomlPlaces`. */
export function pathKey(path: Path): string {
  return JSON.stringify(path)
}

/**
 * Finds the place of every key and value. The parser tells places for syntax errors only, so this
 * walks the text once more; it expects a text that the parser has accepted.
 */
export function findTomlPlaces(text: string, file: string): TomlPlaces {
  const placeAt = placeFinder(text, file)
  const scan: Scan = {
    text,
    keys: new Map(),
    values: new Map(),
    lengths: new Map(),
    placeAt,
    offset: 0,
  }
  let current: Path = []
  for (skipBlank(scan); scan.offset < text.length; skipBlank(scan)) {
    const before = scan.offset
    if (text[scan.offset] === '[') current = header(scan)
    else assignment(scan, current)
    // A text that the parser has not accepted must not keep us here.
    if (scan.offset === before) break
  }
  return scan
}

/** `[a.b]` or `[[a.b]]`: the path that the lines below belong to. */
function header(scan: Scan): Path {
  const start = scan.offset
  const isList = scan.text.startsWith('[[', start)
  scan.offset += isList ? 2 : 1
  const path = dottedKey(scan, [], scan.lengths)
  scan.offset += isList ? 2 : 1
  if (!isList) return path
  const index = scan.lengths.get(pathKey(path)) ?? 0
  scan.lengths.set(pathKey(path), index + 1)
  const item = [...path, index]
  scan.values.set(pathKey(item), scan.placeAt(start))
  return item
}

function assignment(scan: Scan, base: Path): void {
  const path = dottedKey(scan, base, new Map())
  scan.offset += 1
  skip(scan, /[ \t]*/y)
  value(scan, path)
}

/**
 * `a."b c".d` with the place of each part, up to the `=` or `]` behind it. A part that names a list
 * of tables, by `lengths`, means the last of them.
 */
function dottedKey(scan: Scan, base: Path, lengths: ReadonlyMap<string, number>): Path {
  let path = base
  for (;;) {
    skip(scan, /[ \t]*/y)
    const at = scan.placeAt(scan.offset)
    path = [...path, keyPart(scan)]
    const key = pathKey(path)
    if (!scan.keys.has(key)) scan.keys.set(key, at)
    if (!scan.values.has(key)) scan.values.set(key, at)
    skip(scan, /[ \t]*/y)
    if (scan.text[scan.offset] !== '.') return path
    scan.offset += 1
    const length = lengths.get(key)
    if (length !== undefined) path = [...path, length - 1]
  }
}

function keyPart(scan: Scan): string {
  const start = scan.offset
  if (isQuote(scan.text[start])) {
    skipString(scan)
    const raw = scan.text.slice(start, scan.offset)
    return raw.startsWith('"') ? unquote(raw) : raw.slice(1, -1)
  }
  skip(scan, /[^\s.=\]#]*/y)
  return scan.text.slice(start, scan.offset)
}

function value(scan: Scan, path: Path): void {
  const first = scan.text[scan.offset]
  scan.values.set(pathKey(path), scan.placeAt(scan.offset))
  if (first === '[') inside(scan, ']', (index) => value(scan, [...path, index]))
  else if (first === '{') inside(scan, '}', () => assignment(scan, path))
  else if (isQuote(first)) skipString(scan)
  else skip(scan, /[^,\]}#\n]*/y)
}

/** The members of a list or an inline table, from the bracket that opens it to `end`. */
function inside(scan: Scan, end: string, member: (index: number) => void): void {
  scan.offset += 1
  for (let index = 0; ; index++) {
    skipBlank(scan)
    if (scan.text[scan.offset] === end || scan.offset >= scan.text.length) break
    member(index)
    skipBlank(scan)
    if (scan.text[scan.offset] === ',') scan.offset += 1
  }
  scan.offset += 1
}

function skip(scan: Scan, pattern: RegExp): void {
  pattern.lastIndex = scan.offset
  scan.offset += pattern.exec(scan.text)?.[0].length ?? 0
}

function skipBlank(scan: Scan): void {
  skip(scan, /(?:[ \t\r\n]|#[^\n]*)*/y)
}

function isQuote(character: string | undefined): boolean {
  return character === '"' || character === "'"
}

function skipString(scan: Scan): void {
  const quote = scan.text[scan.offset] ?? ''
  const isLong = scan.text.startsWith(quote.repeat(3), scan.offset)
  // A long text may end with up to two quotes of its own before the three that close it.
  if (quote === '"') skip(scan, isLong ? /"""(?:\\.|[^\\])*?""""{0,2}/sy : /"(?:\\.|[^"\\])*"/y)
  else skip(scan, isLong ? /'''.*?''''{0,2}/sy : /'[^']*'/y)
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
