import { readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { configReference } from '../../scripts/config-reference.ts'
import { ALIASES } from '../../src/config/aliases.ts'
import { initialConfig } from '../../src/config/init.ts'
import type { Schema } from '../../src/config/schema.ts'
import { readSchema } from '../../src/config/schema.ts'
import { ANNOTATIONS } from '../../src/config/validator.ts'
import { loadText } from './support.ts'

/** Every schema inside the schema. */
function everySchema(schema: Schema): readonly Schema[] {
  const maps = [schema.properties, schema.patternProperties, schema.$defs]
  const inner = [
    ...maps.flatMap((map) => Object.values(map ?? {})),
    ...(schema.allOf ?? []),
    ...[schema.items, schema.then, schema.else].filter((one) => one !== undefined),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ]
  return [schema, ...inner.flatMap(everySchema)]
}

const schemas = everySchema(readSchema())
/** Keys of ours: another program's are spelled as that program spells them. */
const keys = new Set(
  schemas
    .filter((one) => one !== readSchema().$defs?.hiqlite)
    .flatMap(({ properties }) => Object.keys(properties ?? {})),
)

describe('the schema', () => {
  it('is sound and strict JSON Schema 2020-12', () => {
    // Branches of `if` name keys of the block around them.
    const lenience = { strictTypes: false, strictRequired: false, allowUnionTypes: true }
    const ajv = new Ajv2020({ strict: true, ...lenience })
    for (const keyword of ANNOTATIONS) ajv.addKeyword(keyword)
    expect(ajv.validateSchema(readSchema())).toBe(true)
    expect(() => ajv.compile(readSchema())).not.toThrow()
  })

  it('explains every key', () => {
    const silent = schemas.flatMap(({ properties }) =>
      Object.entries(properties ?? {}).filter(([, { description }]) => !description),
    )
    expect(silent.map(([key]) => key)).toEqual([])
  })

  it('refuses unknown keys in every block that is ours', () => {
    const open = schemas.filter(
      ({ properties, additionalProperties, allOf, 'x-foreign': foreign }) =>
        properties && !allOf && !foreign && additionalProperties === undefined,
    )
    expect(open).toEqual([])
  })

  it('gives every secret a twin that is a file', () => {
    const secrets = schemas.flatMap(({ properties = {} }) =>
      Object.entries(properties)
        .filter(([, { 'x-secret': secret }]) => secret)
        .map(([key]) => properties[`${key}_file`]?.['x-path']),
    )
    expect(secrets.length).toBeGreaterThan(10)
    expect(secrets.every(Boolean)).toBe(true)
  })

  it('asks `if` only for what the loader can answer', () => {
    const conditions = schemas.flatMap((one) => (one.if ? [one.if] : []))
    const isSimple = (one: Schema) =>
      one.type === 'string' ||
      (Object.values(one.properties ?? {}).every((value) => value.const !== undefined) &&
        String(one.required) === String(Object.keys(one.properties ?? {})))
    expect(conditions.length).toBeGreaterThan(10)
    expect(conditions.filter((one) => !isSimple(one))).toEqual([])
  })
})

describe('the alias table', () => {
  it('has the camelCase of every key', () => {
    const camel = (key: string) =>
      key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const missing = [...keys]
      .filter((key) => key.includes('_'))
      .filter((key) => ALIASES[camel(key)]?.means !== key)
    expect(missing).toEqual([])
  })

  it('means keys of the schema only, and none of its names is one', () => {
    const wrong = Object.entries(ALIASES).filter(([alias, { means }]) => {
      return !keys.has(means) || keys.has(alias)
    })
    expect(wrong).toEqual([])
  })

  it.each([
    ['accessKeyId', 'access_key_id'],
    ['accessKey', 'access_key_id'],
    ['access_key', 'access_key_id'],
    ['secretAccessKey', 'secret_access_key'],
    ['secretKey', 'secret_access_key'],
    ['secret_key', 'secret_access_key'],
  ])('reads %s as %s', async (alias, key) => {
    const { targets } = await loadText(`targets: { t: { type: s3, bucket: b, ${alias}: hunter2 } }`)
    expect(Object.keys(targets[0]?.options ?? {})).toContain(key)
  })

  it('does not touch names that people give', async () => {
    const text =
      'targets: { isDefault: { type: local, path: /b } }\n' +
      'jobs: { keepLast: { source: { type: command, backup: [x], env: { accessKey: y } } } }'
    const { targets, jobs } = await loadText(text)
    expect(targets[0]?.name).toBe('isDefault')
    expect(jobs[0]?.name).toBe('keepLast')
    expect(jobs[0]?.sources[0]?.options.env).toHaveProperty('accessKey')
  })

  it('tells of spellings that only a document of the seeds has', async () => {
    const odd = await loadText('targets: { t: { type: s3, bucket: b, access_key: k } }')
    const usual = await loadText('targets: { t: { type: s3, bucket: b, accessKey: k } }')
    expect(odd.notices).toContain('targets.t.access_key: read as "access_key_id"')
    expect(usual.notices.join()).not.toContain('accessKey')
  })
})

describe('what is made from the schema and for it', () => {
  it('has a reference page that is current', async () => {
    const page = new URL('../../docs/reference/config.md', import.meta.url)
    expect(await readFile(page, 'utf8')).toBe(configReference())
  })

  it('has a config to begin with that loads without a notice', async () => {
    const desired = await loadText(initialConfig())
    expect(desired.jobs.map(({ id }) => id)).toEqual(['files'])
    expect(desired.notices).toEqual([])
    expect(desired.unavailable).toEqual([])
  })
})
