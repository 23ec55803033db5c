import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AutoMade, autoJobs } from '../../src/core/auto-jobs.ts'
import { parseAutoMade } from '../../src/core/auto-made.ts'
import type { Desired, DesiredJob, DesiredSource, GroupId } from '../../src/core/model.ts'
import { type DockerSeen, parseSurroundings } from '../../src/core/surroundings.ts'
import {
  composed,
  composedVolume,
  container,
  discovering,
  engine,
  MAKING,
  NOW,
  SHOP,
  seenBy,
  template,
  volume,
} from './docker-nouns.ts'
import { at, job, target } from './plan-nouns.ts'

const EMPTY = engine([], [])

function made(
  desired: Desired,
  docker: DockerSeen | readonly (readonly [string, DockerSeen])[],
  before: readonly AutoMade[] = [],
  now = NOW,
) {
  const looks = Array.isArray(docker) ? docker : [['host-a', docker] as const]
  const surroundings = looks.map(([instance, seen]) => seenBy(instance, seen))
  return autoJobs({ desired, surroundings, made: before, now }, MAKING)
}

const ids = ({ jobs }: { readonly jobs: readonly DesiredJob[] }) => jobs.map(({ id }) => id)

function declared(name: string, source: Partial<DesiredSource>, changes: Partial<DesiredJob> = {}) {
  const group = `system/${name}/x` as GroupId
  const sources = [{ kind: 'volume', name: 'x', group, options: {}, ...source }]
  return job(name, {}, { sources, ...changes })
}

describe('an app that keeps data and has no job', () => {
  it("gets Vardo's job, filed under the app, with a source for each persistent volume", () => {
    const { jobs, made: remembered } = made(discovering(), SHOP)
    expect(jobs).toHaveLength(1)
    expect(jobs[0]).toMatchObject({
      id: 'auto-shop',
      title: 'Auto: shop',
      schedule: { cron: '0 2 * * *', timezone: 'UTC' },
      app: 'shop',
      on: [],
      format: 'vardo',
      targets: [{ retention: { keepLast: 1, keepDaily: 7, keepWeekly: 1, keepMonthly: 1 } }],
      sources: [
        { kind: 'volume', name: 'pgdata', group: 'system/shop/pgdata' },
        {
          kind: 'volume',
          name: 'uploads',
          group: 'system/shop/uploads',
          options: { app: 'shop', volume: 'uploads', docker: 'unix:///var/run/docker.sock' },
        },
      ],
    })
    expect(remembered).toMatchObject([
      {
        app: 'shop',
        instance: 'host-a',
        name: 'shop',
        madeAt: NOW,
        volumes: ['pgdata', 'uploads'],
      },
    ])
  })

  it('gets none without a target, without persistent volumes, or when auto is off', () => {
    const aimless = { ...template(), targets: [], noTarget: 'none is declared' }
    const auto = { stagger: false, except: [], templates: [aimless] }
    expect(made(discovering({ auto }), SHOP)).toEqual({ jobs: [], made: [] })
    expect(made(discovering({ auto: null }), SHOP)).toEqual({ jobs: [], made: [] })
    const plain = engine([container('x', ['data:/d'])], [volume('data')])
    expect(made(discovering(), plain)).toEqual({ jobs: [], made: [] })
  })

  it("gets a minute of its own when they are spread, by Vardo's bytes", () => {
    const desired = discovering()
    const auto = { stagger: true, except: [], templates: [template()] }
    const [one] = made({ ...desired, auto }, SHOP).jobs
    const [minute = 0, hour = 0] = MAKING.seed('shop')
    expect(one?.schedule?.cron).toBe(`${minute % 60} ${hour % 6} * * *`)
  })

  it('belongs to the organization that names it', () => {
    const apps = [{ organization: 'acme', name: 'shop', volumes: null }]
    const auto = { stagger: false, except: [], templates: [template(), template('acme')] }
    const [one] = made(discovering({ apps, auto }), SHOP).jobs
    expect(one).toMatchObject({ id: 'acme/auto-shop', organization: 'acme' })
    expect(one?.sources[0]?.group).toBe('acme/shop/pgdata')
  })
})

describe('a job that was made', () => {
  const first = made(discovering(), SHOP).made

  it('stays with all of its sources when containers and volumes are gone', () => {
    expect(made(discovering(), EMPTY, first)).toEqual(made(discovering(), SHOP))
  })

  it('stays when nobody could look', () => {
    const seen = [seenBy('host-a', { error: 'connection refused' })]
    const kept = autoJobs(
      { desired: discovering(), surroundings: seen, made: first, now: NOW },
      MAKING,
    )
    expect(kept.jobs).toHaveLength(1)
  })

  it('takes in a volume that appears, and lets go of one that is marked as not persistent', () => {
    const more = engine(SHOP.containers, [
      ...SHOP.volumes.filter(({ name }) => name !== 'shop_pgdata'),
      composedVolume('shop', 'pgdata', { 'holdfast.persistent': 'false' }),
      composedVolume('shop', 'mail', { 'holdfast.persistent': 'true' }),
    ])
    const [one] = made(discovering(), more, first).jobs
    expect(one?.sources.map(({ name }) => name)).toEqual(['mail', 'uploads'])
  })

  it.each([
    ['names the app', declared('mine', { options: { app: 'shop' } })],
    ['has one of its volumes', declared('mine', { options: { volume: 'shop_uploads' } })],
    [
      'dumps its database',
      declared('mine', { kind: 'postgres', options: { container: 'shop-db-1' } }),
    ],
    [
      'files archives under its name',
      declared('shop', { kind: 'directory', options: { path: '/x' } }),
    ],
    ['has its id', declared('auto-shop', { kind: 'directory', options: { path: '/x' } })],
  ])('ends for good when a declared job %s', (_how, own) => {
    const ended = made(discovering({ jobs: [own] }), SHOP, first)
    expect(ended.jobs).toEqual([])
    expect(ended.made[0]?.ended).toEqual({ why: 'replaced', by: own.id })
    expect(made(discovering(), SHOP, ended.made).jobs).toEqual([])
  })

  it('ends for good when the file leaves the app alone', () => {
    const ignore = [
      { kind: 'app', name: 'shop', reason: 'a test', until: null, day: null } as const,
    ]
    const auto = { stagger: false, except: ['shop'], templates: [template()] }
    const ignored = made(discovering({ ignore }), SHOP, first)
    expect(ignored.made[0]?.ended).toEqual({ why: 'ignored', reason: 'a test' })
    expect(made(discovering({ auto }), SHOP, first).made[0]?.ended).toEqual({ why: 'excepted' })
    expect(made(discovering(), SHOP, ignored.made).jobs).toEqual([])
  })

  it('goes on as before after auto was off for a while', () => {
    const off = made(discovering({ auto: null }), SHOP, first)
    expect(off).toEqual({ jobs: [], made: first })
    expect(made(discovering(), SHOP, off.made)).toEqual(made(discovering(), SHOP))
  })

  it('is not touched by an entry of the past', () => {
    const ignore = [
      {
        kind: 'app',
        name: 'shop',
        reason: 'x',
        until: at('2026-11-20T00:00:00Z'),
        day: '2026-11-19',
      },
    ] as const
    expect(ids(made(discovering({ ignore }), SHOP, first))).toEqual(['auto-shop'])
  })
})

describe('several instances', () => {
  const other = { ...SHOP, engine: 'engine-2' }
  const two = discovering({ instances: 2 })

  it('leave an app to the one that sees it', () => {
    const { jobs } = made(two, [
      ['host-a', EMPTY],
      ['host-b', other],
    ])
    expect(jobs).toMatchObject([{ id: 'auto-shop', on: ['host-b'] }])
  })

  it('share an app of an engine that both see', () => {
    const { jobs } = made(two, [
      ['host-b', SHOP],
      ['host-a', SHOP],
    ])
    expect(jobs).toMatchObject([{ id: 'auto-shop', on: ['host-a', 'host-b'] }])
  })

  it('file two apps of one name apart, and go on so whoever is away', () => {
    const both = made(two, [
      ['host-a', SHOP],
      ['host-b', other],
    ])
    expect(both.jobs.map(({ id, app, on }) => ({ id, app, on }))).toEqual([
      { id: 'auto-shop', app: 'shop', on: ['host-a'] },
      { id: 'auto-shop-host-b', app: 'shop-host-b', on: ['host-b'] },
    ])
    const later = made(two, [['host-b', other]], both.made)
    expect(ids(later)).toEqual(['auto-shop', 'auto-shop-host-b'])
  })

  it('follow an app that moved', () => {
    const first = made(two, [['host-a', SHOP]]).made
    const { jobs } = made(
      two,
      [
        ['host-a', EMPTY],
        ['host-b', other],
      ],
      first,
    )
    expect(jobs).toMatchObject([{ id: 'auto-shop', on: ['host-b'] }])
  })
})

describe('making jobs', () => {
  const apps = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('shop', 'blog', 'wiki'),
      labelled: fc.boolean(),
      volumes: fc.subarray(['data', 'uploads'], { minLength: 1 }),
    }),
    { selector: ({ name }) => name },
  )
  const world = fc.record({
    engines: fc.array(apps, { minLength: 1, maxLength: 3 }),
    except: fc.subarray(['shop']),
    jobs: fc.subarray(['blog']),
    before: fc.array(apps, { maxLength: 1 }),
  })
  interface Drawn {
    readonly name: string
    readonly labelled: boolean
    readonly volumes: readonly string[]
  }
  const engineOf = (list: readonly Drawn[], id: string) =>
    engine(
      list.map(({ name, volumes }) =>
        container(
          `${name}-1`,
          volumes.map((one) => `${name}_${one}:/${one}`),
          {
            labels: composed(name, 'web'),
          },
        ),
      ),
      list.flatMap(({ name, labelled, volumes }) =>
        volumes.map((one) =>
          composedVolume(name, one, labelled ? { 'holdfast.persistent': 'true' } : {}),
        ),
      ),
      id,
    )

  it('fed its own result, changes nothing; nor does the order of what it is told', () => {
    fc.assert(
      fc.property(world, ({ engines, except, jobs, before }) => {
        const auto = { stagger: false, except, templates: [template()] }
        const desired = discovering({
          auto,
          jobs: jobs.map((name) => declared(name, { options: { app: name } })),
        })
        const looks = engines.map((list, n) => [`host-${n}`, engineOf(list, `e${n}`)] as const)
        const past = made(
          discovering(),
          before.map((list, n) => [`host-${n}`, engineOf(list, `e${n}`)] as const),
        ).made
        const once = made(desired, looks, past)
        const again = made(desired, looks, once.made, at('2027-01-01T00:00:00Z'))
        expect(again).toEqual(once)
        const turned = made(
          { ...desired, jobs: [...desired.jobs].reverse() },
          [...looks].reverse(),
          [...past].reverse(),
        )
        expect(turned).toEqual(once)
        const all = once.jobs.flatMap(({ sources }) => sources.map(({ group }) => group))
        expect(new Set(all).size).toBe(all.length)
        expect(new Set(ids(once)).size).toBe(once.jobs.length)
        expect(parseAutoMade(JSON.stringify(once.made))).toEqual(once.made)
      }),
      { numRuns: 300 },
    )
  })
})

describe('what the state keeps', () => {
  it('is read back as it was, and nothing else is', () => {
    const seen = seenBy('host-a', SHOP)
    expect(parseSurroundings(JSON.stringify(seen))).toEqual(seen)
    expect(parseSurroundings(JSON.stringify(seenBy('a', { error: 'away' })))).not.toBeNull()
    expect(parseSurroundings(JSON.stringify(seenBy('a', null)))).not.toBeNull()
    for (const text of ['', '{', 'null', '[]', '{"instance":"a"}']) {
      expect(parseSurroundings(text)).toBeNull()
    }
    expect(parseSurroundings(JSON.stringify(seen).replace('"running"', '3'))).toBeNull()
    expect(parseAutoMade('nonsense')).toEqual([])
  })
})

describe('a target', () => {
  it('is needed for nothing but making', () => {
    const first = made(discovering(), SHOP).made
    const aimless = { ...template(), targets: [], noTarget: 'none is declared' }
    const auto = { stagger: false, except: [], templates: [aimless] }
    const { jobs } = made(discovering({ auto, targets: [target('x')] }), SHOP, first)
    expect(jobs).toMatchObject([{ id: 'auto-shop', noTarget: 'none is declared' }])
  })
})
