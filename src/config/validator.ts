import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ErrorObject } from 'ajv'
import ajvPackage from 'ajv/package.json' with { type: 'json' }
import { makeFolders, writeFileDurably } from '../platform/files.ts'
import type { Schema } from './schema.ts'

/** One misfit, with the schema and the value that it is about. */
export type Problem = ErrorObject<string, Readonly<Record<string, unknown>>, unknown>

/** Whether a value fits; what does not is in `errors` until the next call. */
export interface Validator {
  (value: unknown): boolean
  readonly errors?: readonly Problem[] | null
}

/** Our own keywords: they say more about a key, and check nothing. */
export const ANNOTATIONS = [
  'x-secret',
  'x-path',
  'x-unit',
  'x-message',
  'x-unavailable',
  'x-foreign',
  'x-verbatim',
]

/** That the schema itself is sound is for the tests to know. */
const SETTINGS = {
  allErrors: true,
  verbose: true,
  strict: false,
  logger: false,
  meta: false,
  validateSchema: false,
  code: { source: true },
} as const

const require = createRequire(import.meta.url)
/** Among the packages, as the programs that are made of our modules: as much the installation's own as they are. */
const FILE = join(dirname(require.resolve('ajv/package.json')), '../.cache/holdfast/validator.cjs')

/** What was made by one version of ajv calls into files of that version. */
const { version: VERSION } = ajvPackage

/**
 * The checks of a schema as a function. To make one costs 150 ms and 10 MB, so the first process of an
 * installation leaves it in a file for all others, and where nothing can be written each makes its own.
 */
export async function validatorOf(schema: Schema, file = FILE): Promise<Validator> {
  const label = createHash('sha256')
    .update(JSON.stringify([VERSION, SETTINGS, schema]))
    .digest('hex')
  return readValidator(file, label) ?? (await makeValidator(schema, file, label))
}

function readValidator(file: string, label: string): Validator | null {
  try {
    const made = require(file)
    return made.label === label ? made : null
  } catch {
    return null
  }
}

/** ajv is loaded here and not before. */
async function makeValidator(schema: Schema, file: string, label: string): Promise<Validator> {
  const { Ajv2020 } = await import('ajv/dist/2020.js')
  const { default: standalone } = await import('ajv/dist/standalone/index.js')
  const ajv = new Ajv2020(SETTINGS)
  for (const keyword of ANNOTATIONS) ajv.addKeyword(keyword)
  const made = ajv.compile(schema)
  const code = `${standalone.default(ajv, made)}\nmodule.exports.label = '${label}'\n`
  // An installation that its user may not write to works as well, and starts slower.
  await makeFolders(dirname(file), 0o755)
    .then(() => writeFileDurably(file, code, 0o644))
    .catch(() => {})
  return made as Validator
}
