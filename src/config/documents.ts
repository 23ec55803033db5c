import type { Faults } from './faults.ts'
import type { Entry, MapTree, Tree } from './tree.ts'
import { emptyMap, joinPath, withoutKeys } from './tree.ts'

/** Blocks whose keys are names: several documents of a file may add to them. */
const NAMED = ['targets', 'jobs', 'notify', 'organizations']

const HINT = 'see an example with: holdfast config init'

/** What a Wardengate document has around its `spec`. */
const ENVELOPE = ['apiVersion', 'kind', 'metadata', 'spec']

/**
 * The documents of a file as one. `kind: BackupTarget` documents of Wardengate become targets, the
 * other ones are ours; what two of them set is a fault.
 */
export function mergeDocuments(documents: readonly Tree[], file: string, faults: Faults): MapTree {
  let whole = emptyMap({ file, line: 1, col: 1 })
  for (const document of documents) {
    if (document.kind === 'map') {
      const own = document.entries.has('kind') ? fromWardengate(document, faults) : document
      whole = { ...whole, entries: mergeEntries(whole, own, faults) }
    } else faults.add(document.place, '', 'must be a map of sections', HINT)
  }
  return whole
}

function mergeEntries(whole: MapTree, added: MapTree, faults: Faults): ReadonlyMap<string, Entry> {
  const entries = new Map(whole.entries)
  for (const [key, entry] of added.entries) {
    const first = entries.get(key)
    if (first === undefined) entries.set(key, entry)
    else if (NAMED.includes(key) && first.value.kind === 'map' && entry.value.kind === 'map') {
      entries.set(key, { ...first, value: mergeNames(key, first.value, entry.value, faults) })
    } else {
      const message = `declared in two documents, first in line ${first.place.line}`
      faults.add(entry.place, key, message)
    }
  }
  return entries
}

function mergeNames(path: string, first: MapTree, added: MapTree, faults: Faults): MapTree {
  const entries = new Map(first.entries)
  for (const [name, entry] of added.entries) {
    const known = entries.get(name)
    if (known === undefined) entries.set(name, entry)
    else {
      const message = `declared twice, first in line ${known.place.line}`
      faults.add(entry.place, joinPath(path, name), message)
    }
  }
  return { ...first, entries }
}

/** `{ kind: BackupTarget, metadata: { name }, spec }` as `{ targets: { name: spec } }`. */
function fromWardengate(document: MapTree, faults: Faults): MapTree {
  const kind = document.entries.get('kind')
  const kindText = textOf(kind?.value)
  if (kindText !== 'BackupTarget') {
    const hint = 'of the kinds of Wardengate, BackupTarget is understood'
    faults.add(kind?.value.place ?? document.place, 'kind', 'unknown kind of document', hint)
    return emptyMap(document.place)
  }
  const version = document.entries.get('apiVersion')
  if (textOf(version?.value) !== 'wardengate/v1') {
    const place = version?.value.place ?? document.place
    faults.add(place, 'apiVersion', 'must be "wardengate/v1"')
  }
  for (const [key, { place }] of document.entries) {
    if (!ENVELOPE.includes(key)) faults.add(place, key, `unknown key "${key}"`)
  }
  return targetOf(document, faults)
}

function targetOf(document: MapTree, faults: Faults): MapTree {
  const metadata = document.entries.get('metadata')?.value
  const name = metadata?.kind === 'map' ? metadata.entries.get('name')?.value : undefined
  const nameText = textOf(name)
  const spec = document.entries.get('spec')
  if (name === undefined || nameText === null) {
    faults.add(metadata?.place ?? document.place, 'metadata.name', 'key "name" is missing')
  }
  if (spec === undefined) faults.add(document.place, 'spec', 'key "spec" is missing')
  if (name === undefined || nameText === null || spec === undefined) return emptyMap(document.place)
  const target = new Map([[nameText, { place: name.place, value: spec.value }]])
  const targets: Tree = { kind: 'map', entries: target, place: document.place }
  const entries = new Map([['targets', { place: document.place, value: targets }]])
  return { kind: 'map', entries, place: document.place }
}

function textOf(tree: Tree | undefined): string | null {
  return tree?.kind === 'scalar' && typeof tree.value === 'string' ? tree.value : null
}

/**
 * Vardo's way with its secrets file: section by section, its keys win over those of the config.
 * `sameKey` tells the spelling that two keys share.
 */
export function mergeSecrets(
  config: MapTree,
  secrets: MapTree,
  sameKey: (key: string) => string,
): MapTree {
  const entries = new Map(config.entries)
  for (const [section, entry] of secrets.entries) {
    const own = entries.get(section)
    if (own?.value.kind !== 'map' || entry.value.kind !== 'map') entries.set(section, entry)
    else {
      const won = new Set([...entry.value.entries.keys()].map(sameKey))
      const kept = withoutKeys(own.value, (key) => won.has(sameKey(key)))
      const merged = new Map([...kept.entries, ...entry.value.entries])
      entries.set(section, { ...own, value: { ...own.value, entries: merged } })
    }
  }
  return { ...config, entries }
}
