import type { Fault } from '../lib/errors.ts'
import { ConfigError } from '../lib/errors.ts'
import type { Place } from './tree.ts'
import { placeText } from './tree.ts'

/** Collects what is wrong, so that a person learns all of it at once. */
export interface Faults {
  add(place: Place, path: string, message: string, hint?: string | null): void
  /** From here on faults at `path`, or below it, are told as of `written`: where a person wrote it. */
  rename(path: string, written: string): void
  /** Whether there is one at `path` itself. */
  has(path: string): boolean
  /** How many there are so far. */
  count(): number
  /** Throws `ConfigError` with every fault in order of place, if there is any. */
  raise(): void
}

/** An empty collection. The first file that it hears of sorts first. */
export function collectFaults(mainFile: string): Faults {
  const found: { readonly place: Place; readonly fault: Fault }[] = []
  const files = [mainFile]
  const renamed: { readonly path: string; readonly written: string }[] = []
  const asWritten = (path: string) => {
    const one = renamed.find((each) => path === each.path || path.startsWith(`${each.path}[`))
    return one === undefined ? path : one.written + path.slice(one.path.length)
  }
  return {
    add(place, internal, message, hint = null) {
      const path = asWritten(internal)
      const at = placeText(place)
      // One place, one fault: what follows from the first says nothing new.
      if (found.some(({ fault }) => fault.at === at && fault.path === path)) return
      if (!files.includes(place.file)) files.push(place.file)
      found.push({ place, fault: { at, path, message, hint } })
    },
    rename: (path, written) => void renamed.push({ path, written }),
    has: (path) => found.some(({ fault }) => fault.path === path),
    count: () => found.length,
    raise() {
      if (found.length === 0) return
      const order = ({ place }: { readonly place: Place }) => files.indexOf(place.file)
      found.sort(
        (a, b) => order(a) - order(b) || a.place.line - b.place.line || a.place.col - b.place.col,
      )
      throw new ConfigError(found.map(({ fault }) => fault))
    },
  }
}
