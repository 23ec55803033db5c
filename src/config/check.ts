import { suggest } from '../lib/suggest.ts'
import { ALIASES } from './aliases.ts'
import type { Faults } from './faults.ts'
import type { Schema } from './schema.ts'
import { readSchema } from './schema.ts'
import type { MapTree, Place, Tree } from './tree.ts'
import { joinPath, plain } from './tree.ts'
import { type Problem, type Validator, validatorOf } from './validator.ts'

/**
 * Holds `tree` against the schema; every misfit becomes a fault at its place. Values are never
 * quoted: a secret in the wrong place would be.
 */
export async function checkSchema(tree: MapTree, faults: Faults): Promise<void> {
  opened ??= validatorOf(readSchema())
  const validate = await opened
  if (validate(plain(tree))) return
  for (const problem of validate.errors ?? []) report(problem, tree, faults)
}

/** Kept: a daemon reads its file again and again. */
let opened: Promise<Validator> | null = null

/** A list of keys that is longer than this is not read by anybody. */
const MOST_KNOWN = 12

function report(problem: Problem, root: MapTree, faults: Faults): void {
  // These only sum up problems that come with their own place.
  if (['if', 'propertyNames'].includes(problem.keyword)) return
  if (problem.schemaPath.includes('/anyOf/')) return
  const steps = problem.instancePath.split('/').slice(1).map(unescapePointer)
  const { path, place, node } = locate(root, steps)
  const extra = extraKey(problem)
  if (extra === null) {
    faults.add(place, path, messageFor(problem), hintFor(problem, node))
    return
  }
  const entry = node.kind === 'map' ? node.entries.get(extra) : undefined
  faults.add(
    entry?.place ?? place,
    joinPath(path, extra),
    messageFor(problem),
    unknownHint(problem, extra),
  )
}

/** The key that should not be there, or whose name does not fit. */
function extraKey(problem: Problem): string | null {
  const { additionalProperty } = problem.params
  if (typeof additionalProperty === 'string') return additionalProperty
  return problem.propertyName ?? null
}

function locate(
  root: MapTree,
  steps: readonly string[],
): { readonly path: string; readonly place: Place; readonly node: Tree } {
  let node: Tree = root
  let place = root.place
  let path = ''
  for (const step of steps) {
    if (node.kind === 'scalar') break
    path = joinPath(path, node.kind === 'list' ? Number(step) : step)
    const entry: { readonly place?: Place; readonly value: Tree | undefined } | undefined =
      node.kind === 'map' ? node.entries.get(step) : { value: node.items[Number(step)] }
    if (entry?.value === undefined) break
    node = entry.value
    // A block is looked for where its key stands, a value where it stands itself.
    place = node.kind === 'scalar' ? node.place : (entry.place ?? node.place)
  }
  return { path, place, node }
}

function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~')
}

function messageFor(problem: Problem): string {
  const { keyword, params, parentSchema } = problem
  const own = (parentSchema as Schema | undefined)?.['x-message']
  switch (keyword) {
    case 'additionalProperties':
      return `unknown key "${String(params.additionalProperty)}"`
    case 'required':
      return `key "${String(params.missingProperty)}" is missing`
    case 'anyOf':
      return `one of ${requiredKeys(problem)} is missing`
    case 'type':
      return own ?? `must be ${typeWords(params.type)}`
    case 'enum':
      return `must be one of ${listOf(params.allowedValues)}`
    case 'minimum':
    case 'maximum':
      return (
        own ?? `must be ${keyword === 'minimum' ? 'at least' : 'at most'} ${String(params.limit)}`
      )
    case 'minLength':
    case 'minItems':
      return Number(params.limit) > 1 && own !== undefined ? own : 'must not be empty'
    case 'uniqueItems':
      return 'names the same thing twice'
    default:
      return own ?? (problem.message ?? 'does not fit').replace(/^must NOT/, 'must not')
  }
}

function requiredKeys({ schema }: Problem): string {
  const branches = Array.isArray(schema) ? (schema as Schema[]) : []
  return listOf(branches.flatMap((branch) => branch.required ?? []))
}

function listOf(values: unknown): string {
  return Array.isArray(values) ? values.map((value) => `"${String(value)}"`).join(', ') : ''
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a map of keys',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

function typeWords(type: unknown): string {
  const types = Array.isArray(type) ? type : [type]
  return types.map((one) => TYPE_WORDS[String(one)] ?? String(one)).join(' or ')
}

function hintFor({ keyword, params, data, parentSchema }: Problem, node: Tree): string | null {
  if (node.kind !== 'scalar' || node.hidden) return null
  if (keyword === 'enum' && Array.isArray(params.allowedValues)) {
    return didYouMean(suggest(String(data), params.allowedValues.map(String)))
  }
  const isText = keyword === 'type' && String(params.type) === 'string'
  if (isText && !(parentSchema as Schema | undefined)?.['x-message']) return 'write it in quotes'
  return null
}

function unknownHint({ keyword, parentSchema }: Problem, key: string): string | null {
  if (keyword !== 'additionalProperties') return null
  const known = Object.keys((parentSchema as Schema | undefined)?.properties ?? {})
  const spellings = Object.keys(ALIASES).filter((one) => known.includes(ALIASES[one]?.means ?? ''))
  const near = suggest(key, [...known, ...spellings])
  const meant = near === null || known.includes(near) ? near : (ALIASES[near]?.means ?? near)
  if (meant !== null) return didYouMean(meant)
  const isShort = known.length > 0 && known.length <= MOST_KNOWN
  return isShort ? `known here: ${known.join(', ')}` : 'all keys: docs/reference/config.md'
}

function didYouMean(word: string | null): string | null {
  return word === null ? null : `did you mean "${word}"?`
}
