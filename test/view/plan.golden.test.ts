import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import type { Action, ActionKind } from '../../src/core/action.ts'
import { renderPlan } from '../../src/view/human.ts'
import { planJson } from '../../src/view/json.ts'
import { planMarkdown } from '../../src/view/markdown.ts'
import { SCENARIOS } from './scenarios.ts'

const FOLDER = 'test/golden/plan'
const fits = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync('schema/plan.schema.json', 'utf8')),
)

/** Compares with the golden file; with UPDATE_GOLDEN=1 writes it. */
function golden(name: string, text: string): void {
  const path = join(FOLDER, name)
  if (process.env.UPDATE_GOLDEN) writeFileSync(path, text)
  expect(existsSync(path) ? readFileSync(path, 'utf8') : '(no golden file)').toBe(text)
}

describe.each(Object.entries(SCENARIOS))('the plan of %s', (name, make) => {
  const plan = make()

  it('reads as its golden file for a person', () => {
    golden(`${name}.txt`, `${renderPlan(plan, { color: false })}\n`)
  })

  it('reads as its golden file in a pull request', () => {
    golden(`${name}.md`, planMarkdown(plan))
  })

  it('reads as its golden file for a program, and fits its schema', () => {
    const document = planJson(plan)
    golden(`${name}.json`, `${JSON.stringify(document, null, 2)}\n`)
    expect(fits(JSON.parse(JSON.stringify(document))), JSON.stringify(fits.errors)).toBe(true)
  })
})

describe('the golden plans', () => {
  const actions: readonly Action[] = Object.values(SCENARIOS).flatMap((make) => make().actions)
  const kinds: Readonly<Record<ActionKind, true>> = {
    restore: true,
    'target.create': true,
    'target.update': true,
    'target.remove': true,
    posture: true,
    'job.create': true,
    'job.update': true,
    'job.remove': true,
    backup: true,
    skip: true,
    abandon: true,
    adopt: true,
    missing: true,
    debris: true,
    copy: true,
    verify: true,
    prune: true,
    'prune-blocked': true,
    release: true,
  }

  it('show every kind of step', () => {
    expect(new Set(actions.map(({ kind }) => kind))).toEqual(new Set(Object.keys(kinds)))
  })

  it('have no file without its scenario', () => {
    const names = new Set(readdirSync(FOLDER).map((file) => file.replace(/\.(txt|md|json)$/, '')))
    expect([...names].sort()).toEqual(Object.keys(SCENARIOS).sort())
  })
})
