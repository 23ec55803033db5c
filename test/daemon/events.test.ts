import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const PAGE = 'docs/reference/events.md'
const UNION = 'src/core/event.ts'

/** Every event of the union, in its order. */
function declared(): readonly string[] {
  const [, union = ''] =
    /export type EventName =([^;]*?)\n\n/.exec(readFileSync(UNION, 'utf8')) ?? []
  return [...union.matchAll(/'([a-z._]+)'/g)].map(([, name = '']) => name)
}

interface Row {
  readonly event: string
  readonly levels: readonly string[]
}

/** The rows of the page's tables of events. */
function documented(): readonly Row[] {
  const rows = [
    ...readFileSync(PAGE, 'utf8').matchAll(/^\| `([a-z]+\.[a-z_]+)` \| ([a-z, ]+) \|/gm),
  ]
  return rows.map(([, event = '', levels = '']) => ({ event, levels: levels.split(', ') }))
}

/** All of our source but the union itself. */
function sources(): string {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((name) =>
    join('src', name),
  )
  return files
    .filter((path) => path.endsWith('.ts') && path !== UNION)
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
}

describe('the page on events', () => {
  it('tells of every event that there is, and of no other', () => {
    const told = new Set(documented().map(({ event }) => event))
    expect([...told].sort()).toEqual([...declared()].sort())
  })

  it('tells the level of every event as the source does', () => {
    const levels = new Map<string, Set<string>>()
    for (const { event, levels: some } of documented()) {
      levels.set(event, new Set([...(levels.get(event) ?? []), ...some]))
    }
    const literal = /event: '([a-z._]+)',\s*level: ((?:.*\? )?'[a-z]+'(?: : '[a-z]+')?)/g
    const reports = [...sources().matchAll(literal)]
    expect(reports.length).toBeGreaterThan(25)
    for (const [, event = '', expression = ''] of reports) {
      const said = expression.split(' ? ').at(-1) ?? ''
      for (const [, level = ''] of said.matchAll(/'([a-z]+)'/g)) {
        expect([event, [...(levels.get(event) ?? [])]]).toEqual([
          event,
          expect.arrayContaining([level]),
        ])
      }
    }
  })
})

describe('the union of events', () => {
  it('holds every event that the source reports, and none that it never does', () => {
    const text = sources()
    const reported = [...text.matchAll(/\bevent: (?:\w+ \? )?'([a-z]+\.[a-z_]+)'/g)].map(
      ([, name = '']) => name,
    )
    const names = declared()
    expect(names.length).toBeGreaterThan(30)
    for (const name of reported) expect(names).toContain(name)
    for (const name of names) expect([name, text.includes(`'${name}'`)]).toEqual([name, true])
  })
})
