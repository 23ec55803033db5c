import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Instant, Retention } from '../../src/core/model.ts'
import { decideRetention } from '../../src/core/retention.ts'
import { parseDuration, parseInstant } from '../../src/lib/time.ts'
import { noRules } from './retention-cases.ts'

const folder = join(import.meta.dirname, '../golden/retention')

describe('retention, worked out by hand', () => {
  for (const file of readdirSync(folder).sort()) {
    const table = parseTable(readFileSync(join(folder, file), 'utf8'))
    it(`${file}: ${table.law}`, () => {
      const copies = table.rows.map((row) => ({ ...row, item: row.key }))
      const { keep, drop } = decideRetention(copies, table.policy, table.now)
      const decided = new Map<string, string>([
        ...keep.map(({ item, reasons }) => [item, reasons.join(' ')] as const),
        ...drop.map((item) => [item, '-'] as const),
      ])
      expect(table.rows.map(({ key }) => `${key} ${decided.get(key)}`)).toEqual(
        table.rows.map(({ key, expected }) => `${key} ${expected}`),
      )
    })
  }
})

/** A law, a policy, a now, and rows `instant [pinned] [verified] [=] reasons`, `-` for dropped. */
function parseTable(text: string) {
  const [law = '', policy = '', now = '', , ...rows] = text.trimEnd().split('\n')
  return {
    law,
    policy: parsePolicy(policy.replace('policy: ', '')),
    now: instant(now.replace('now: ', '')),
    rows: rows.map((row) => {
      const [key = '', ...words] = row.split(' ')
      const marks = words.includes('=') ? words.splice(0, words.indexOf('=') + 1) : []
      const takenAt = instant(key)
      return {
        key,
        takenAt,
        pinned: marks.includes('pinned'),
        verifiedAt: marks.includes('verified') ? takenAt : null,
        expected: words.join(' '),
      }
    }),
  }
}

function parsePolicy(text: string): Retention {
  const rules = text.split(' ').filter((word) => word !== 'none')
  const entries = rules.map((rule) => {
    const [key = '', value] = rule.split('=')
    if (value === undefined) return [key, true]
    return [key, key === 'timezone' ? value : (parseDuration(value) ?? Number(value))]
  })
  return { ...noRules, ...Object.fromEntries(entries) }
}

function instant(text: string): Instant {
  const at = parseInstant(text)
  if (at === null) throw new Error(`${text} is no instant`)
  return at
}
