import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { encodeManifest, type Manifest } from '../../src/core/manifest.ts'
import { at, backup, copy, desired, job, target } from './plan-nouns.ts'
import { createWorld, manifestOf } from './plan-world.ts'

const PAGE = 'docs/reference/manifest.md'
const BEGIN = '<!-- keys: made from schema/manifest.schema.json -->'
const END = '<!-- end of keys -->'

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly oneOf?: readonly Schema[]
  readonly const?: string
}

const schema: Schema = JSON.parse(readFileSync('schema/manifest.schema.json', 'utf8'))

/** A row for every key, nested ones by their path. */
function rows(block: Schema, path = ''): readonly string[] {
  return Object.entries(block.properties ?? {}).flatMap(([key, one]) => {
    const may = block.required?.includes(key) ? '' : ' (may be absent)'
    const row = `| \`${path}${key}\` | ${one.description ?? one.const ?? ''}${may} |`
    const parts = [one, ...(one.oneOf ?? [])]
    return [row, ...new Set(parts.flatMap((part) => rows(part, `${path}${key}.`)))]
  })
}

function example(): string {
  const shop = job('shop')
  const row = backup('b-7f3a', shop, at('2026-11-20T02:00:00Z'))
  const world = createWorld(desired([target('nas')], [shop]), at('2026-11-20T02:00:07.250Z'))
  const own = copy(row, 'nas', 'system/shop/files/2026-11-20T02-00-00-000Z.tar.zst.age')
  const manifest: Manifest = {
    ...manifestOf(world, row, own, 1048576 as Manifest['stored']['bytes']),
    source: { type: 'directory', name: 'files', facts: { path: '/srv/shop' } },
    layers: ['tar', 'zstd', 'age'],
    encryption: { scheme: 'age', recipients: ['age1…'] },
  }
  return encodeManifest(manifest)
}

function section(): string {
  return [
    BEGIN,
    '| key | is |',
    '|---|---|',
    ...new Set(rows(schema)),
    '',
    '```json',
    example().trimEnd(),
    '```',
    END,
  ].join('\n')
}

describe('the page about manifests', () => {
  it('tells every key of the schema, and shows one that we would write', () => {
    const page = readFileSync(PAGE, 'utf8')
    const written = page.slice(page.indexOf(BEGIN), page.indexOf(END) + END.length)
    if (process.env.UPDATE_GOLDEN)
      writeFileSync(
        PAGE,
        page.replace(written, () => section()),
      )
    else expect(written).toBe(section())
  })
})
