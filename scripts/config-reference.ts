import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Schema } from '../src/config/schema.ts'
import { readSchema } from '../src/config/schema.ts'

/*
 * Writes docs/reference/config.md from the schema; with `--check` it writes nothing, and fails when
 * the page is not what it would write.
 */

const PAGE = new URL('../docs/reference/config.md', import.meta.url)

/** Sections of the page in order: title, definition. */
const SECTIONS = [
  ['Jobs', 'job'],
  ['A target of a job', 'job_target'],
  ['A channel of a job', 'job_channel'],
  ['Retention', 'retention'],
  ['Retry', 'retry'],
  ['Objectives', 'objectives'],
  ['Checks', 'check'],
  ['Compression', 'compression'],
  ['Encryption', 'encryption'],
  ['Encryption by cryptr', 'encryption_cryptr'],
  ['Signing', 'signing'],
  ['Limits', 'limits'],
  ['Organizations', 'organization'],
  ['Docker', 'docker'],
  ['An app', 'docker_app'],
  ['A volume of an app', 'docker_volume'],
  ['What is left alone', 'ignore'],
  ['API tokens', 'api_token'],
  ['Targets', 'target'],
  ['Sources', 'source'],
  ['Channels', 'channel'],
  ["Hiqlite's table", 'hiqlite'],
] as const

const INTRODUCTION = `<!-- Made from schema/holdfast.schema.json by: node scripts/config-reference.ts -->
# The config

One file, YAML or TOML, with the same keys. Keys are snake_case; camelCase is understood too.

- A text may hold \`\${VAR}\`, \`\${VAR:-default}\` or \`\${VAR:?message}\`; \`$\${\` is a plain \`\${\`. What a variable
  holds stays one value. An unset variable is an error. Inside \`{ }\` and \`[ ]\` of YAML it needs quotes.
- Relative paths start at the directory of the file. \`~\` is not expanded: write \`\${HOME}\`.
- Keys marked *secret* are never printed, and have a twin that ends in \`_file\`.
- Durations: \`30s\` \`5m\` \`2h\` \`7d\` \`2w\` \`12mo\` \`1y\`, also joined: \`1h30m\`. Sizes: \`10MiB\`. Shares: \`50%\` or \`0.5\`.
- Keys that begin with \`x-\` at the top are left alone: a place for YAML anchors.
`

/** The page, in Markdown. */
export function configReference(): string {
  const schema = readSchema()
  const sections = SECTIONS.map(([title, name]) => section(title, definition(name)))
  return `${[INTRODUCTION, '## Top level\n', table(schema), ...sections].join('\n').trim()}\n`
}

function section(title: string, schema: Schema): string {
  const kinds = (schema.allOf ?? []).map(({ if: condition, then }) => {
    const kind = condition?.properties?.type?.const ?? ''
    const shape = resolved(then ?? {})
    const note = shape['x-unavailable'] === undefined ? '' : '*Not available in this version.* '
    const words = `${note}${shape.description ?? ''}`.trim()
    return `### \`type: ${kind}\`\n${words === '' ? '' : `\n${words}\n`}\n${table(shape)}`
  })
  const shape = schema.else ?? schema
  const own = kinds.length === 0 ? table(shape) : `${typeWords(schema)}\n`
  return [`## ${title}\n\n${schema.description ?? ''}\n`, own, ...kinds].join('\n')
}

function typeWords(schema: Schema): string {
  return schema.properties?.type?.description ?? ''
}

function table(shape: Schema): string {
  const rows = Object.entries(shape.properties ?? {})
    .filter(([key]) => key !== '$schema' && key !== 'type')
    .map(([key, schema]) => row(key, schema, shape.required?.includes(key) ? 'yes' : ''))
  if (shape.properties?.type?.enum !== undefined) {
    rows.unshift(row('type', shape.properties.type, 'yes'))
  }
  return `| key | value | needed | default | |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
}

function row(key: string, schema: Schema, needed: string): string {
  const shape = resolved(schema)
  const marks = [
    shape['x-secret'] ? '*Secret.*' : '',
    shape['x-unavailable'] === undefined ? '' : '*Not available in this version.*',
  ]
  const words = [schema.description ?? shape.description ?? '', ...marks].filter(Boolean).join(' ')
  const usual = shape.default === undefined ? '' : `\`${JSON.stringify(shape.default)}\``
  const cells = [`\`${key}\``, valueWords(shape), needed, usual, words.replaceAll('|', '\\|')]
  return `| ${cells.join(' | ')} |`
}

function valueWords(shape: Schema): string {
  if (shape['x-foreign']) return ''
  if (shape['x-unit'] !== undefined) return shape['x-unit']
  if (shape['x-path']) return 'path'
  if (shape.enum !== undefined) return shape.enum.map((one) => `\`${one}\``).join(', ')
  const types = Array.isArray(shape.type) ? shape.type : [shape.type]
  return types.map((type) => TYPES[String(type)] ?? '').join(' or ')
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'map',
  array: 'list',
  string: 'text',
  integer: 'number',
  number: 'number',
  boolean: '`true`, `false`',
}

/** A schema with its reference followed; its own words win. */
function resolved(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema
  return { ...definition(schema.$ref.replace('#/$defs/', '')), ...schema }
}

function definition(name: string): Schema {
  const found = readSchema().$defs?.[name]
  if (found === undefined) throw new Error(`the schema has no ${name}`)
  return found
}

function main(args: readonly string[]): number {
  const page = configReference()
  if (!args.includes('--check')) {
    writeFileSync(PAGE, page)
    return 0
  }
  if (readFileSync(PAGE, 'utf8') === page) return 0
  console.error(
    'docs/reference/config.md is not current; make it: node scripts/config-reference.ts',
  )
  return 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = main(process.argv.slice(2))
}
