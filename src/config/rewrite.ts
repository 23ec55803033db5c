import type { Alias } from './aliases.ts'
import { ALIASES } from './aliases.ts'
import type { Faults } from './faults.ts'
import type { Environment } from './interpolate.ts'
import { interpolate } from './interpolate.ts'
import type { Schema } from './schema.ts'
import { schemaOf, settle, typesOf } from './schema.ts'
import type { Entry, ListTree, MapTree, ScalarTree, Tree } from './tree.ts'
import { joinPath } from './tree.ts'

export interface RewriteContext {
  readonly env: Environment
  /** What an unset variable is: a fault, or left as it is written. */
  readonly unset: 'fault' | 'leave'
  readonly faults: Faults
  notice(text: string): void
}

/**
 * `tree` as the schema spells it: variables expanded, aliases renamed, keys without a value left
 * out, and what came out of a variable turned into the number or the flag that the schema asks for.
 */
export function rewrite(tree: Tree, schema: Schema, context: RewriteContext): Tree {
  return rename(expand(tree, schema, '', context), schema, '', context)
}

function expand(tree: Tree, schema: Schema | null, path: string, context: RewriteContext): Tree {
  if (schema?.['x-foreign'] || schema?.['x-verbatim']) return tree
  switch (tree.kind) {
    case 'scalar':
      return expandScalar(tree, path, context)
    case 'list': {
      const items = tree.items.map((item, index) =>
        expand(item, null, joinPath(path, index), context),
      )
      return { ...tree, items }
    }
    case 'map': {
      const shape = schema === null ? null : settle(schema, tree)
      const entries = [...tree.entries].map(([key, { place, value }]): [string, Entry] => {
        // What belongs to other programs is theirs to expand.
        const inner = shape === null ? null : schemaOf(shape, key)
        return [key, { place, value: expand(value, inner, joinPath(path, key), context) }]
      })
      return { ...tree, entries: new Map(entries) }
    }
  }
}

function expandScalar(tree: ScalarTree, path: string, context: RewriteContext): ScalarTree {
  if (typeof tree.value !== 'string' || tree.hidden) return tree
  const { text, changed, complaints } = interpolate(tree.value, context.env)
  for (const { message, hint } of complaints) {
    if (context.unset === 'leave') context.notice(`${path}: ${message}; left as it is`)
    else context.faults.add(tree.place, path, message, hint)
  }
  return { ...tree, value: text, hidden: changed || complaints.length > 0 }
}

function rename(tree: Tree, schema: Schema | null, path: string, context: RewriteContext): Tree {
  if (schema === null || schema['x-foreign']) return tree
  switch (tree.kind) {
    case 'scalar':
      return coerce(tree, settle(schema, tree))
    case 'list':
      return renameItems(tree, settle(schema, tree), path, context)
    case 'map':
      return renameKeys(tree, schema, path, context)
  }
}

function renameItems(
  tree: ListTree,
  shape: Schema,
  path: string,
  context: RewriteContext,
): ListTree {
  const items = tree.items.map((item, index) =>
    rename(item, shape.items ?? null, joinPath(path, index), context),
  )
  return { ...tree, items }
}

function renameKeys(tree: MapTree, schema: Schema, path: string, context: RewriteContext): MapTree {
  const shape = settle(schema, tree)
  const entries = new Map<string, Entry>()
  for (const [written, entry] of tree.entries) {
    const alias = shape['x-verbatim'] ? null : aliasIn(shape, written)
    const key = alias?.means ?? written
    if (alias?.isOdd) context.notice(`${joinPath(path, written)}: read as "${key}"`)
    if (isEmpty(entry.value) && Object.hasOwn(shape.properties ?? {}, key)) continue
    if (entries.has(key)) {
      const message = `"${key}" is set twice, in two spellings`
      context.faults.add(entry.place, joinPath(path, written), message, `write "${key}" alone`)
      continue
    }
    const value = withUnit(entry.value, alias?.unit ?? '')
    const inner = schemaOf(shape, key)
    entries.set(key, { ...entry, value: rename(value, inner, joinPath(path, key), context) })
  }
  return { ...tree, entries }
}

function aliasIn(shape: Schema, written: string): Alias | null {
  const known = shape.properties ?? {}
  if (Object.hasOwn(known, written) || !Object.hasOwn(ALIASES, written)) return null
  const alias = ALIASES[written]
  return alias !== undefined && Object.hasOwn(known, alias.means) ? alias : null
}

/** `targets:` with nothing under it says nothing. A named job or target without a body is a fault. */
function isEmpty(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null
}

function withUnit(tree: Tree, unit: string): Tree {
  const isBare = tree.kind === 'scalar' && /^\d+$/.test(String(tree.value))
  return unit !== '' && isBare ? { ...tree, value: `${tree.value}${unit}` } : tree
}

function coerce(tree: ScalarTree, shape: Schema): ScalarTree {
  if (!tree.hidden || typeof tree.value !== 'string') return tree
  const types = typesOf(shape)
  if (types.includes('integer') || types.includes('number')) {
    if (/^-?\d+(\.\d+)?$/.test(tree.value)) return { ...tree, value: Number(tree.value) }
  }
  if (types.includes('boolean') && /^(true|false)$/.test(tree.value)) {
    return { ...tree, value: tree.value === 'true' }
  }
  return tree
}
