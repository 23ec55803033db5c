import { describe, expect, it } from 'vitest'
import type { Backup, DesiredJob, JobId } from '../../src/core/model.ts'
import { type KnownJob, knownJobs, parseReference } from '../../src/core/reference.ts'
import { ReferenceUnknown } from '../../src/lib/errors.ts'

const job = (id: string, ...sources: string[]): KnownJob => ({ id: id as JobId, sources })
const known = [
  job('files', 'data', 'media'),
  job('acme/shop', 'db', 'uploads'),
  job('acme/files', 'data'),
  job('globex/wiki', 'db'),
  job('initech/wiki', 'db'),
  job('twin', 'inner'),
  job('twin/inner', 'db'),
]

function refusal(text: string, jobs: readonly KnownJob[] = known): string {
  try {
    parseReference(text, jobs)
  } catch (error) {
    if (error instanceof ReferenceUnknown) return `${error.message}; ${error.hint}`
    throw error
  }
  return 'accepted'
}

describe('a reference', () => {
  const cases = [
    ['files', 'files', null],
    ['files/data', 'files', 'data'],
    ['acme/shop', 'acme/shop', null],
    ['acme/shop/db', 'acme/shop', 'db'],
    ['acme/files/data', 'acme/files', 'data'],
    ['shop', 'acme/shop', null],
    ['shop/uploads', 'acme/shop', 'uploads'],
    ['system/files', 'files', null],
    ['system/twin/inner', 'twin', 'inner'],
    ['twin/inner/db', 'twin/inner', 'db'],
  ] as const
  for (const [text, id, source] of cases) {
    it(`reads ${text} as job ${id}, source ${source}`, () => {
      const latest = { kind: 'latest' }
      expect(parseReference(text, known)).toEqual({ job: id, source, which: latest })
      expect(parseReference(`${text}@latest`, known)).toEqual({ job: id, source, which: latest })
    })
  }

  it('takes whatever follows the first @ as a name', () => {
    for (const text of ['01jc3k', 'before v2/b @home', '2026-11-20T02:00:00+01:00']) {
      const { which } = parseReference(`files/data@${text}`, known)
      expect(which).toEqual({ kind: 'named', text })
    }
  })

  it('is refused with all that it may mean', () => {
    expect(refusal('wiki')).toBe(
      '"wiki" may mean globex/wiki or initech/wiki; write the one you mean',
    )
    expect(refusal('twin/inner@latest')).toContain('may mean system/twin/inner or twin/inner;')
  })

  it('is refused with the name that was likely meant, or those there are', () => {
    expect(refusal('fils')).toBe('no job is called "fils"; did you mean files?')
    expect(refusal('zzzzzz')).toContain('no job is called "zzzzzz"; there is files, acme/shop,')
    expect(refusal('files/dat')).toBe('job files has no source "dat"; did you mean files/data?')
    expect(refusal('shop/zzzzzz')).toContain('there is acme/shop/db, acme/shop/uploads')
    expect(refusal('files', [])).toContain('no job is called "files"')
    const many = Array.from({ length: 50 }, (_, index) => job(`number-${index}-of-many`))
    expect(refusal('zzz', many)).toContain('and 30 more')
  })

  it('is refused with its form when a part of it is empty', () => {
    for (const text of ['', '@latest', 'files@']) {
      expect(refusal(text)).toContain('write [org/]job[/source][@latest')
    }
  })
})

describe('what can be named', () => {
  it('is what is declared, and what only the history still knows', () => {
    const jobs = [
      { id: 'b', sources: [{ name: 'one' }] },
      { id: 'empty', sources: [] },
    ] as unknown as readonly DesiredJob[]
    const backups = [
      { job: 'b', source: 'two' },
      { job: 'b', source: 'one' },
      { job: 'a', source: 'gone' },
    ] as unknown as readonly Backup[]
    expect(knownJobs(jobs, { backups })).toEqual([
      job('a', 'gone'),
      job('b', 'one', 'two'),
      job('empty'),
    ])
  })
})
