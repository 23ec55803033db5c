import document from '../../schema/holdfast.schema.json' with { type: 'json' }
import type { Tree } from './tree.ts'

/** The part of JSON Schema 2020-12 that our schema is written in, and our annotations (`x-…`). */
export interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly description?: string
  readonly type?: string | boolean | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly enum?: readonly string[]
  readonly const?: string
  readonly default?: unknown
  readonly allOf?: readonly Schema[]
  readonly if?: Schema
  readonly then?: Schema
  readonly else?: Schema
  readonly minimum?: number
  readonly maximum?: number
  /** Never shown, kept as `Secret`, and has a twin `<key>_file`. */
  readonly 'x-secret'?: boolean
  /** A path of this machine: a relative one starts at the directory of the file. */
  readonly 'x-path'?: boolean
  /** How the text is read: a duration, a size or a share. */
  readonly 'x-unit'?: 'duration' | 'size' | 'share'
  /** What to say when the value does not fit. */
  readonly 'x-message'?: string
  /** What is asked for, when this version does not build it; `{type}` stands for the block's type. */
  readonly 'x-unavailable'?: string
  /** Another program's: not looked into. */
  readonly 'x-foreign'?: boolean
  /** As another program reads it: no variable is expanded, no alias and no `_file` twin is known. */
  readonly 'x-verbatim'?: boolean
}

/** The published schema of the config: what editors, the loader and `config schema` use alike. */
export function readSchema(): Schema {
  return document as unknown as Schema
}

/**
 * The schema that holds for `tree`, flat: references followed, and the branches of `if` chosen. Our
 * schema asks `if` for a JSON type or the constant of one key, and no more; a test holds it to that.
 */
export function settle(schema: Schema, tree: Tree | null): Schema {
  const { $ref, allOf = [], if: condition, ...own } = schema
  let flat: Schema = $ref === undefined ? own : { ...settle(definition($ref), tree), ...own }
  if (condition !== undefined) {
    const branch = holds(condition, tree) ? schema.then : schema.else
    if (branch !== undefined) flat = join(flat, settle(branch, tree))
  }
  for (const part of allOf) {
    const branch = settle(part, tree)
    flat = join(flat, branch)
  }
  return flat
}

/** The schema of `key` in a map of `shape`, or null when the map has no such key. */
export function schemaOf(shape: Schema, key: string): Schema | null {
  const declared = shape.properties?.[key]
  if (declared !== undefined && Object.hasOwn(shape.properties ?? {}, key)) return declared
  for (const [pattern, schema] of Object.entries(shape.patternProperties ?? {})) {
    if (new RegExp(pattern).test(key)) return schema
  }
  return typeof shape.additionalProperties === 'object' ? shape.additionalProperties : null
}

/** The JSON types that a shape takes. */
export function typesOf(shape: Schema): readonly string[] {
  if (typeof shape.type === 'string') return [shape.type]
  return Array.isArray(shape.type) ? shape.type : []
}

function definition(reference: string): Schema {
  const name = reference.replace('#/$defs/', '')
  const found = readSchema().$defs?.[name]
  if (found === undefined) throw new Error(`the schema has no ${reference}`)
  return found
}

function join(base: Schema, branch: Schema): Schema {
  const { then: _then, else: _else, ...rest } = branch
  return {
    ...base,
    ...rest,
    ...(base.description === undefined ? {} : { description: base.description }),
    properties: { ...base.properties, ...branch.properties },
  }
}

function holds(condition: Schema, tree: Tree | null): boolean {
  if (tree === null) return false
  if (condition.type === 'string') {
    return tree.kind === 'scalar' && typeof tree.value === 'string'
  }
  return Object.entries(condition.properties ?? {}).every(([key, { const: wanted }]) => {
    const value = tree.kind === 'map' ? tree.entries.get(key)?.value : undefined
    return value?.kind === 'scalar' && value.value === wanted
  })
}
