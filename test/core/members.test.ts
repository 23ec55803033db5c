import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterLook,
  expand,
  type KnownMember,
  livingSources,
  type Member,
  parseMembers,
} from '../../src/core/members.ts'
import type { Desired, DesiredJob, DesiredSource, GroupId } from '../../src/core/model.ts'

const SERVER: DesiredSource = {
  kind: 'postgres',
  name: 'postgres',
  group: 'system/db/postgres' as GroupId,
  options: { databases: 'all', format: 'custom' },
}
const FILES: DesiredSource = {
  kind: 'directory',
  name: 'files',
  group: 'system/db/files' as GroupId,
  options: { path: '/srv' },
}

function jobOf(...sources: readonly DesiredSource[]): DesiredJob {
  return { id: 'db', organization: null, app: null, sources } as unknown as DesiredJob
}

function sourcesAfter(job: DesiredJob, known: Readonly<Record<string, readonly KnownMember[]>>) {
  const desired = { jobs: [job] } as unknown as Desired
  const [after] = expand(desired, new Map(Object.entries(known))).jobs
  if (!after) throw new Error('the job is gone')
  return after
}

const database = (name: string): Member => ({
  name,
  kind: 'postgres',
  options: { databases: name },
})

describe('what a declaration stands for', () => {
  it('is the declaration itself while nobody has looked', () => {
    expect(sourcesAfter(jobOf(SERVER, FILES), {}).sources).toEqual([SERVER, FILES])
  })

  it('takes its place, in its order, with a group of its own each', () => {
    const { sources } = sourcesAfter(jobOf(SERVER, FILES), {
      'db/postgres': [database('crm'), database('shop')],
    })
    expect(sources.map(({ name, group }) => [name, group])).toEqual([
      ['crm', 'system/db/crm'],
      ['shop', 'system/db/shop'],
      ['files', 'system/db/files'],
    ])
    expect(sources[0]?.options).toEqual({ databases: 'crm', format: 'custom' })
  })

  it('goes by the name that was chosen for it, too', () => {
    const { sources } = sourcesAfter(jobOf({ ...SERVER, name: 'main', isNamed: true }), {
      'db/main': [database('crm'), { ...database('x'), name: null }],
    })
    expect(sources.map(({ name }) => name)).toEqual(['main.crm', 'main'])
  })

  it('never shares a name within a job, whatever databases are called', () => {
    // Few letters, so that they meet.
    const letters = fc.constantFrom('a', 'files', '?', ' ', '.', 'second.a', 'ü')
    const name = fc.array(letters, { minLength: 1, maxLength: 3 }).map((all) => all.join(''))
    const names = fc.uniqueArray(name, { maxLength: 6 })
    fc.assert(
      fc.property(names, names, (one, other) => {
        const second = { ...SERVER, name: 'second', group: 'system/db/second' as GroupId }
        const { sources } = sourcesAfter(jobOf(SERVER, second, FILES), {
          'db/postgres': one.map(database),
          'db/second': other.map(database),
        })
        const all = sources.map(({ name }) => name)
        expect(new Set(all).size).toBe(all.length)
        for (const name of all) expect(name).toMatch(/^[A-Za-z0-9._-]+$/)
        expect(all.length).toBe(one.length + other.length + 1)
      }),
    )
  })

  it('keeps what has gone, for a restore, and backs it up no more', () => {
    const before = [database('crm'), database('shop')]
    const after = afterLook(before, [database('crm'), database('new')])
    expect(after.map(({ name, isGone }) => [name, isGone ?? false])).toEqual([
      ['crm', false],
      ['new', false],
      ['shop', true],
    ])
    expect(afterLook(after, before).map(({ name, isGone }) => [name, isGone ?? false])).toEqual([
      ['crm', false],
      ['shop', false],
      ['new', true],
    ])
    const job = sourcesAfter(jobOf(SERVER), { 'db/postgres': after })
    expect(livingSources(job).map(({ name }) => name)).toEqual(['crm', 'new'])
  })

  it('is read again as it was written, and nothing else is', () => {
    const known = afterLook([database('shop')], [database('crm')])
    expect(parseMembers(JSON.stringify(known))).toEqual(known)
    for (const text of ['', '{', '{}', '[1]', '[{"name":1,"kind":"a","options":{}}]', 'null']) {
      expect(parseMembers(text), text).toBeNull()
    }
  })
})
