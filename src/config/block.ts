import { isAbsolute, resolve } from 'node:path'
import type { Millis, Options, OptionValue } from '../core/model.ts'
import { Secret } from '../lib/secret.ts'
import { parseSize } from '../lib/size.ts'
import { parseDuration } from '../lib/time.ts'
import type { Faults } from './faults.ts'
import type { Schema } from './schema.ts'
import { schemaOf, settle } from './schema.ts'
import type { MapTree, Place, ScalarTree, Tree } from './tree.ts'
import { joinPath } from './tree.ts'

/** What reading a config needs to know beside the config. */
export interface ReadContext {
  /** Where relative paths start. */
  readonly folder: string
  /** `leave`: secrets may be unknown, and what follows from them is no fault. */
  readonly unset: 'fault' | 'leave'
  readonly faults: Faults
  /** Hears of what deserves a look but stops nothing. */
  notice(text: string): void
}

/**
 * A map of the config with the schema that holds for it. Reading is tolerant: a value that does not
 * fit reads as absent, because the schema check has a fault for it already.
 */
export interface Block {
  readonly path: string
  /** Where its key stands. */
  readonly place: Place
  readonly tree: MapTree
  readonly shape: Schema
  readonly context: ReadContext
}

/** One value of a list or a map, with where it is. */
export interface Item {
  readonly path: string
  readonly place: Place
  readonly tree: Tree
  readonly schema: Schema
}

/** `item` as a block, or null when it is no map. */
export function blockOf({ path, place, tree, schema }: Item, context: ReadContext): Block | null {
  if (tree.kind !== 'map') return null
  return { path, place, tree, shape: settle(schema, tree), context }
}

/** The value of `key`, or null when it is not set. */
export function item(block: Block, key: string): Item | null {
  const entry = block.tree.entries.get(key)
  const schema = schemaOf(block.shape, key)
  if (entry === undefined || schema === null) return null
  return { path: joinPath(block.path, key), place: entry.place, tree: entry.value, schema }
}

/** The block at `key`, or null. */
export function child(block: Block, key: string): Block | null {
  const found = item(block, key)
  return found === null ? null : blockOf(found, block.context)
}

/** The blocks of a map of names, in the order written. */
export function named(block: Block, key: string): readonly (readonly [string, Block])[] {
  const map = child(block, key)
  if (map === null) return []
  return [...map.tree.entries.keys()].flatMap((name) => {
    const inner = child(map, name)
    return inner === null ? [] : [[name, inner] as const]
  })
}

/** The items of the list at `key`, in order; none when it is no list. */
export function items(block: Block, key: string): readonly Item[] {
  const found = item(block, key)
  if (found?.tree.kind !== 'list') return []
  const schema = settle(found.schema, found.tree).items ?? {}
  return found.tree.items.map((tree, index) => ({
    path: joinPath(found.path, index),
    place: tree.place,
    tree,
    schema,
  }))
}

/** Where to point at for `key`: its value, or the block that lacks it. */
export function placeOf(block: Block, key: string): Place {
  const value = block.tree.entries.get(key)?.value
  if (value === undefined) return block.place
  return value.kind === 'scalar' ? value.place : (block.tree.entries.get(key)?.place ?? value.place)
}

/** Adds a fault at `key` of the block. */
export function fault(
  block: Block,
  key: string,
  message: string,
  hint: string | null = null,
): void {
  block.context.faults.add(placeOf(block, key), joinPath(block.path, key), message, hint)
}

/** The value at `key` with units read and paths resolved, or the schema's default, or null. */
export function read(block: Block, key: string): OptionValue {
  const schema = schemaOf(block.shape, key)
  if (schema === null) return null
  const found = item(block, key)
  if (found !== null) return convert(found, block.context) ?? null
  const shape = settle(schema, null)
  if (shape.default === undefined) return null
  const tree = treeOf(shape.default, block.place)
  return convert({ path: block.path, place: block.place, tree, schema }, block.context) ?? null
}

export function text(block: Block, key: string): string | null {
  const value = read(block, key)
  return typeof value === 'string' ? value : null
}

export function number(block: Block, key: string): number | null {
  const value = read(block, key)
  return typeof value === 'number' ? value : null
}

export function millis(block: Block, key: string): Millis | null {
  return number(block, key) as Millis | null
}

export function flag(block: Block, key: string): boolean | null {
  const value = read(block, key)
  return typeof value === 'boolean' ? value : null
}

export function strings(block: Block, key: string): readonly string[] {
  const value = read(block, key)
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** A list, or the one text that stands for a list of one. */
export function oneOrMore(block: Block, key: string): readonly string[] {
  const one = text(block, key)
  return one === null ? strings(block, key) : [one]
}

/** Every key of the block but `except`, converted, defaults filled in: what a plug-in is given. */
export function options(block: Block, except: readonly string[]): Options {
  const declared = Object.keys(block.shape.properties ?? {})
  const keys = new Set([...declared, ...block.tree.entries.keys()])
  const pairs = [...keys]
    .filter((key) => !except.includes(key))
    .map((key): [string, OptionValue] => [key, read(block, key)])
    .filter(([, value]) => value !== null)
  return Object.fromEntries(pairs)
}

function convert(found: Item, context: ReadContext): OptionValue {
  const { tree, schema, path } = found
  const shape = settle(schema, tree)
  switch (tree.kind) {
    case 'scalar':
      return convertScalar(tree, shape, found, context)
    case 'list': {
      const inner = shape.items ?? {}
      return tree.items.map((one, index) => {
        const at = { path: joinPath(path, index), place: one.place, tree: one, schema: inner }
        return convert(at, context)
      })
    }
    case 'map': {
      const block = blockOf(found, context)
      return block === null ? null : options(block, [])
    }
  }
}

function convertScalar(
  { value, place }: ScalarTree,
  shape: Schema,
  found: Item,
  context: ReadContext,
): OptionValue {
  if (value === null) return null
  if (shape['x-secret']) return new Secret(String(value))
  if (shape['x-path']) return typeof value === 'string' ? pathOf(value, found, context) : null
  const unit = shape['x-unit']
  if (unit === undefined) return value
  const amount =
    unit === 'duration' ? duration(value) : unit === 'size' ? size(value) : share(value)
  if (amount === null) context.faults.add(place, found.path, `is too large for a ${unit}`)
  return amount
}

function pathOf(
  value: string,
  { tree, path }: Item,
  { folder, faults }: ReadContext,
): string | null {
  const { place } = tree
  if (value === '') return null
  if (value.includes('\0')) {
    faults.add(place, path, 'must not hold a zero byte')
    return null
  }
  if (/^~(\/|$)/.test(value)) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own syntax
    faults.add(place, path, '~ is not expanded', 'write ${HOME} instead of ~')
  }
  return isAbsolute(value) ? resolve(value) : resolve(folder, value)
}

/** `never` is the word for no duration at all. */
function duration(value: string | number | boolean): OptionValue {
  return value === 'never' ? value : parseDuration(String(value))
}

function size(value: string | number | boolean): number | null {
  return typeof value === 'number' ? value : parseSize(String(value).replace(/\/s$/, ''))
}

function share(value: string | number | boolean): number | null {
  if (typeof value === 'number') return value
  const percent = Number(String(value).replace(/%$/, ''))
  return Number.isNaN(percent) ? null : percent / 100
}

function treeOf(value: unknown, place: Place): Tree {
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((one) => treeOf(one, place)), place }
  }
  const isScalar =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  return { kind: 'scalar', value: isScalar ? value : null, place, hidden: false }
}
