import type { Unavailable } from '../core/model.ts'
import type { Schema } from './schema.ts'
import { schemaOf, settle } from './schema.ts'
import type { Tree } from './tree.ts'
import { joinPath } from './tree.ts'

/** Every block of `tree` that the schema marks as not built in this version, in the order written. */
export function findUnavailable(
  tree: Tree,
  schema: Schema | null,
  path = '',
): readonly Unavailable[] {
  if (schema === null || isOff(tree)) return []
  const shape = settle(schema, tree)
  const what = shape['x-unavailable']
  if (what !== undefined) return [{ path, what: what.replace('{type}', typeOf(tree)) }]
  switch (tree.kind) {
    case 'scalar':
      return []
    case 'list':
      return tree.items.flatMap((item, index) =>
        findUnavailable(item, shape.items ?? null, joinPath(path, index)),
      )
    case 'map':
      return [...tree.entries].flatMap(([key, { value }]) =>
        findUnavailable(value, schemaOf(shape, key), joinPath(path, key)),
      )
  }
}

/** `auto: false` asks for nothing. */
function isOff(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === false
}

function typeOf(tree: Tree): string {
  const type = tree.kind === 'map' ? tree.entries.get('type')?.value : undefined
  return type?.kind === 'scalar' ? String(type.value) : ''
}
