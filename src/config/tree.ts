/** Where something stands in a file. Line 0: the file as a whole, or no file (a variable). */
export interface Place {
  readonly file: string
  readonly line: number
  readonly col: number
}

/** A config as written, in either syntax: values that know where they stand. */
export type Tree = ScalarTree | ListTree | MapTree

export interface ScalarTree {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  readonly place: Place
  /** True when it came out of the environment or a file: it is never shown again. */
  readonly hidden: boolean
}

export interface ListTree {
  readonly kind: 'list'
  readonly items: readonly Tree[]
  readonly place: Place
}

export interface MapTree {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Entry>
  readonly place: Place
}

export interface Entry {
  /** Where the key stands. */
  readonly place: Place
  readonly value: Tree
}

/** A map without entries that stands at `place`. */
export function emptyMap(place: Place): MapTree {
  return { kind: 'map', entries: new Map(), place }
}

/** A value that was not written in a file at this spot, but read from the environment or a file. */
export function hiddenScalar(value: string, place: Place): ScalarTree {
  return { kind: 'scalar', value, place, hidden: true }
}

/** `map` with `key` set; the order of the other keys stays. */
export function withEntry(map: MapTree, key: string, entry: Entry): MapTree {
  return { ...map, entries: new Map([...map.entries, [key, entry]]) }
}

/** `map` without the keys that `drop` names. */
export function withoutKeys(map: MapTree, drop: (key: string) => boolean): MapTree {
  return { ...map, entries: new Map([...map.entries].filter(([key]) => !drop(key))) }
}

/** `file:line:col`, or the file alone. */
export function placeText(place: Place): string {
  return place.line === 0 ? place.file : `${place.file}:${place.line}:${place.col}`
}

/** The values alone, as JSON has them. A key such as `__proto__` stays an ordinary key. */
export function plain(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value
    case 'list':
      return tree.items.map(plain)
    case 'map':
      return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, plain(entry.value)]))
  }
}

/** `path.key`, or `path[3]`; the root has the empty path. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  return path === '' ? key : `${path}.${key}`
}
