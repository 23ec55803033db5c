import { resolve } from 'node:path'
import { messageOf } from '../lib/errors.ts'
import { readTextFile } from '../platform/files.ts'
import type { Faults } from './faults.ts'
import type { Schema } from './schema.ts'
import { schemaOf, settle } from './schema.ts'
import type { Entry, MapTree, Tree } from './tree.ts'
import { hiddenScalar, joinPath } from './tree.ts'

const LARGEST_SECRET = 2 ** 20

export interface TwinContext {
  /** Where relative paths start. */
  readonly folder: string
  /** What a file that cannot be read is: a fault, or an empty secret. */
  readonly unset: 'fault' | 'leave'
  readonly faults: Faults
  notice(text: string): void
  /** Hears of each file that is named, absolute. */
  read(path: string): void
}

/** `tree` with every `<secret>_file` replaced by the secret that the file holds. */
export async function readTwins(
  tree: Tree,
  schema: Schema | null,
  context: TwinContext,
  path = '',
): Promise<Tree> {
  const isTheirs = schema?.['x-foreign'] || schema?.['x-verbatim']
  if (schema === null || isTheirs || tree.kind === 'scalar') return tree
  const shape = settle(schema, tree)
  if (tree.kind === 'list') {
    const items = await Promise.all(
      tree.items.map((item, index) =>
        readTwins(item, shape.items ?? null, context, joinPath(path, index)),
      ),
    )
    return { ...tree, items }
  }
  return readMap(tree, shape, context, path)
}

async function readMap(
  tree: MapTree,
  shape: Schema,
  context: TwinContext,
  path: string,
): Promise<MapTree> {
  const entries = await Promise.all(
    [...tree.entries].map(async ([key, entry]): Promise<[string, Entry]> => {
      const secret = twinOf(key, shape)
      const at = joinPath(path, key)
      if (secret === null) {
        const value = await readTwins(entry.value, schemaOf(shape, key), context, at)
        return [key, { ...entry, value }]
      }
      if (tree.entries.has(secret)) {
        const message = `"${secret}" and "${key}" are both set`
        context.faults.add(entry.place, at, message, 'keep one of the two')
      }
      return [secret, { ...entry, value: await readTwin(entry.value, context, at) }]
    }),
  )
  return { ...tree, entries: new Map(entries) }
}

/** The secret whose twin `key` is, or null. */
function twinOf(key: string, shape: Schema): string | null {
  if (!key.endsWith('_file')) return null
  const secret = key.slice(0, -'_file'.length)
  return shape.properties?.[secret]?.['x-secret'] === true ? secret : null
}

async function readTwin(tree: Tree, context: TwinContext, path: string): Promise<Tree> {
  if (tree.kind !== 'scalar' || typeof tree.value !== 'string' || tree.value === '') return tree
  const file = resolve(context.folder, tree.value)
  context.read(file)
  const secret = await readSecret(file).catch((error: unknown) => {
    const message = `cannot read the secret: ${messageOf(error)}`
    if (context.unset === 'leave') context.notice(`${path}: ${message}; taken as unknown`)
    else context.faults.add(tree.place, path, message)
    return 'unknown'
  })
  if (secret === '') context.faults.add(tree.place, path, `${file} is empty`)
  return hiddenScalar(secret === '' ? 'unknown' : secret, tree.place)
}

async function readSecret(file: string): Promise<string> {
  return (await readTextFile(file, LARGEST_SECRET)).replace(/\r?\n$/, '')
}
