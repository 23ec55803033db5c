import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dumpWarnings } from '../../src/core/dumped-volumes.ts'
import {
  afterLook,
  expand,
  type KnownMembers,
  livingSources,
  type Member,
  parseStands,
} from '../../src/core/members.ts'
import type { Desired, DesiredJob, DesiredSource, GroupId } from '../../src/core/model.ts'

const SERVER: DesiredSource = {
  kind: 'postgres',
  name: 'one',
  group: 'system/db/one' as GroupId,
  options: { databases: 'all', format: 'custom' },
}
const OTHER: DesiredSource = { ...SERVER, name: 'two', group: 'system/db/two' as GroupId }
const FILES: DesiredSource = {
  kind: 'directory',
  name: 'files',
  group: 'system/db/files' as GroupId,
  options: { path: '/srv' },
}
const NOBODY: KnownMembers = new Map()

function jobOf(...sources: readonly DesiredSource[]): DesiredJob {
  return { id: 'db', organization: null, app: null, sources } as unknown as DesiredJob
}

function expanded(job: DesiredJob, known: KnownMembers): DesiredJob {
  const [after] = expand({ jobs: [job] } as unknown as Desired, known).jobs
  if (!after) throw new Error('the job is gone')
  return after
}

const databases = (...names: readonly string[]): readonly Member[] =>
  names.map((name) => ({ name, kind: 'postgres', options: { databases: name } }))

/** What is known after several looks, one after the other. */
function looked(
  job: DesiredJob,
  ...looks: readonly (readonly [DesiredSource, readonly Member[] | null][])[]
): KnownMembers {
  return looks.reduce((known, look) => afterLook(job, new Map(look), known), NOBODY)
}

const namesOf = ({ sources }: DesiredJob) => sources.map(({ name }) => name)

describe('what a declaration stands for', () => {
  it('is the declaration itself while nobody has looked', () => {
    expect(expanded(jobOf(SERVER, FILES), NOBODY).sources).toEqual([SERVER, FILES])
  })

  it('is told where it is a dump, which heeds nothing that is said of files', () => {
    const files = { stop: true, pause: false, exclude: ['x'], before: ['y'] }
    const options = { volume: 'pgdata', restart: true, ...files }
    const volume: DesiredSource = { ...FILES, kind: 'volume', name: 'pgdata', options }
    const plain = jobOf({ ...volume, options: { volume: 'pgdata' } }, FILES)
    const members = databases('app', 'shop')
    const warned = (job: DesiredJob, found: readonly Member[] | null) =>
      dumpWarnings(expanded(job, looked(job, [[job.sources[0] as DesiredSource, found]])))
    expect(warned(jobOf(volume, SERVER), members)).toMatchObject([
      { message: expect.stringMatching(/^volume pgdata .* do not heed exclude, stop, before$/) },
    ])
    expect(warned(jobOf(volume), null)).toEqual([])
    expect(warned(plain, members)).toEqual([])
  })

  it('archives passwords of roles where every copy is closed with a key, and nowhere else', () => {
    const volume = { ...FILES, kind: 'volume' }
    const roles: Member = { name: 'globals', kind: 'postgres', options: { globals: true } }
    const passwordsIn = (...encryption: readonly unknown[]) => {
      const targets = encryption.map((one) => ({ encryption: one })) as never
      const job = { ...jobOf(volume), targets }
      const [made] = expanded(job, looked(job, [[volume, [roles]]])).sources
      return made?.options.role_passwords
    }
    expect(passwordsIn({}, {})).toBe(true)
    expect(passwordsIn({}, null)).toBeUndefined()
    expect(passwordsIn()).toBeUndefined()
  })

  it('takes its place, in its order, with a group of its own each', () => {
    const job = jobOf(SERVER, FILES)
    const { sources } = expanded(job, looked(job, [[SERVER, databases('crm', 'shop')]]))
    expect(sources.map(({ name, group }) => [name, group])).toEqual([
      ['crm', 'system/db/crm'],
      ['shop', 'system/db/shop'],
      ['files', 'system/db/files'],
    ])
    expect(sources[0]?.options).toEqual({ databases: 'crm', format: 'custom' })
  })

  it('goes by the name that was chosen for it, too', () => {
    const named = { ...SERVER, name: 'main', isNamed: true } as const
    const job = jobOf(named)
    const own = { name: null, kind: 'postgres', options: {} }
    const known = looked(job, [[named, [...databases('crm'), own]]])
    expect(namesOf(expanded(job, known))).toEqual(['main.crm', 'main'])
  })

  it('never shares a name within a job, whatever databases are called', () => {
    // Few letters, so that they meet.
    const letters = fc.constantFrom('a', 'files', '?', ' ', '.', 'two.a', 'ü')
    const name = fc.array(letters, { minLength: 1, maxLength: 3 }).map((all) => all.join(''))
    const names = fc.uniqueArray(name, { maxLength: 6, minLength: 1 })
    fc.assert(
      fc.property(names, names, (one, other) => {
        const job = jobOf(SERVER, OTHER, FILES)
        const known = looked(job, [
          [SERVER, databases(...one)],
          [OTHER, databases(...other)],
        ])
        const all = namesOf(expanded(job, known))
        expect(new Set(all).size).toBe(all.length)
        for (const each of all) expect(each).toMatch(/^[A-Za-z0-9._-]+$/)
        expect(all.length).toBe(one.length + other.length + 1)
      }),
    )
  })

  it('keeps its names whoever comes beside it: a group is never another database', () => {
    const job = jobOf(SERVER, OTHER)
    const known = looked(
      job,
      [[OTHER, databases('shop')]],
      [
        [SERVER, databases('shop', 'crm')],
        [OTHER, databases('shop')],
      ],
    )
    const owner = (name: string) => known.get(name)?.members.map(({ source }) => source)
    expect(owner('db/two')).toEqual(['shop'])
    expect(owner('db/one')).toEqual(['one.shop', 'crm'])
  })

  it('keeps what has gone, for a restore, and backs it up no more', () => {
    const job = jobOf(SERVER)
    const first: [DesiredSource, readonly Member[]][] = [[SERVER, databases('crm', 'shop')]]
    const second: [DesiredSource, readonly Member[]][] = [[SERVER, databases('crm', 'new')]]
    const gone = expanded(job, looked(job, first, second))
    expect(namesOf(gone)).toEqual(['crm', 'new', 'shop'])
    expect(livingSources(gone).map(({ name }) => name)).toEqual(['crm', 'new'])
    const back = expanded(job, looked(job, first, second, first))
    expect(livingSources(back).map(({ name }) => name)).toEqual(['crm', 'shop'])
  })

  it('stands as it did where it could not be asked, or told of nothing', () => {
    const job = jobOf(SERVER)
    const before = looked(job, [[SERVER, databases('shop')]])
    expect(afterLook(job, new Map(), before)).toEqual(before)
    expect(afterLook(job, new Map([[SERVER, []]]), before)).toEqual(before)
    // As a volume says whose server is gone, in the hour when its databases are to be restored.
    expect(afterLook(job, new Map([[SERVER, null]]), before)).toEqual(before)
  })

  it('is itself again once the file says so, or once another kind has its name', () => {
    const job = jobOf(SERVER)
    const before = looked(job, [[SERVER, databases('shop')]])
    const other = { ...SERVER, options: { databases: 'shop' } }
    expect(afterLook(jobOf(other), new Map([[other, null]]), before).size).toBe(0)
    const folder = { ...FILES, name: SERVER.name }
    expect(expanded(jobOf(folder), before).sources).toEqual([folder])
  })

  it('is read again as it was written, and nothing else is', () => {
    const job = jobOf(SERVER)
    const known = looked(job, [[SERVER, databases('shop')]], [[SERVER, databases('crm')]])
    const [stands] = known.values()
    expect(parseStands(JSON.stringify(stands))).toEqual(stands)
    const bad = [
      '',
      '{',
      '{}',
      '[]',
      '{"of":"a","by":"b","members":[1]}',
      '{"of":"a","by":"b","members":[{}]}',
    ]
    for (const text of bad) expect(parseStands(text), text).toBeNull()
  })
})
