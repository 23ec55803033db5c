/** Compares by code units: the same on every machine, whatever its locale. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A sorted copy; equal items keep their order. */
export function sortedBy<T>(items: Iterable<T>, key: (item: T) => string): readonly T[] {
  return [...items].sort((a, b) => byText(key(a), key(b)))
}

/** Items by key, each list in the order of `items`. */
export function groupedBy<T, K>(
  items: Iterable<T>,
  key: (item: T) => K,
): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const name = key(item)
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}
