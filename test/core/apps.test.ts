import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appsIn, type FoundApp } from '../../src/core/apps.ts'
import type { DiscoverySettings } from '../../src/core/docker-settings.ts'
import {
  composed,
  composedVolume,
  container,
  discovering,
  engine,
  SHOP,
  volume,
} from './docker-nouns.ts'

const on: DiscoverySettings = discovering()
const all: DiscoverySettings = discovering({
  docker: { host: 'unix:///var/run/docker.sock', discover: 'all' },
})
const vardo = (color: string, service = 'web') => ({
  ...composed(`blog-${color}`, service),
  'vardo.project': 'blog',
  'vardo.environment': 'production',
})

/** `app/name=dockerName persistent strategy`, one a volume. */
function told(apps: readonly FoundApp[]): readonly string[] {
  return apps.flatMap(({ name, volumes }) =>
    volumes.map((one) => {
      const how = one.strategy.kind === 'tar' ? 'tar' : one.strategy.database
      return `${name}/${one.name}=${one.dockerName} ${one.persistent.is} ${how}`
    }),
  )
}

describe('the apps of an engine', () => {
  it('are compose projects with their volumes, each by what is inside', () => {
    expect(told(appsIn(SHOP, on))).toEqual([
      'shop/pgdata=shop_pgdata yes postgres',
      'shop/uploads=shop_uploads yes tar',
    ])
  })

  it("are Vardo's, by its labels, whichever slot runs", () => {
    const seen = engine(
      [
        container('blog-green-web-1', ['blog-green_data:/data'], { labels: vardo('green') }),
        container('blog-blue-web-1', ['blog-blue_data:/data'], {
          labels: vardo('blue'),
          state: 'exited',
        }),
      ],
      [composedVolume('blog-blue', 'data'), composedVolume('blog-green', 'data')],
    )
    const [app] = appsIn(seen, all)
    expect(app?.name).toBe('blog')
    expect(app?.volumes).toMatchObject([
      { name: 'data', dockerName: 'blog-green_data', others: ['blog-blue_data'], doubt: null },
    ])
  })

  it("are told by Vardo's names when nothing is left but volumes", () => {
    const seen = engine([], [volume('blog-blue_data'), volume('blog-green_data')])
    const [app] = appsIn(seen, all)
    expect(app).toMatchObject({ name: 'blog', volumes: [{ dockerName: 'blog-blue_data' }] })
    expect(app?.volumes[0]?.doubt).toContain('blog-blue_data and blog-green_data could be meant')
  })

  it('keep a project whose name only looks like a slot beside the bare one', () => {
    const seen = engine(
      [
        container('a', ['deep_data:/d'], { labels: composed('deep', 'a') }),
        container('b', ['deep-blue_data:/d'], { labels: composed('deep-blue', 'b') }),
      ],
      [composedVolume('deep', 'data'), composedVolume('deep-blue', 'data')],
    )
    expect(told(appsIn(seen, all))).toEqual([
      'deep/data=deep_data yes tar',
      'deep-blue/data=deep-blue_data yes tar',
    ])
  })

  it('are containers alone where no label says more, with what they have at hand', () => {
    const seen = engine(
      [container('wiki', ['notes:/data', '/srv/wiki:/etc/wiki', '/run/x.sock:/x.sock'])],
      [volume('notes')],
    )
    const [app] = appsIn(seen, all)
    expect(app?.volumes.map(({ kind, dockerName }) => `${kind} ${dockerName}`)).toEqual([
      'volume notes',
      'bind /srv/wiki',
    ])
  })

  it('have a volume that two of them mount once, and tell of the other when it may write', () => {
    const seen = engine(
      [
        container('one', ['data:/a']),
        container('two', ['data:/b']),
        container('looker', ['data:/c:ro']),
      ],
      [volume('data')],
    )
    expect(
      appsIn(seen, all).map(({ name, volumes }) => [name, volumes.map((v) => v.sharedWith)]),
    ).toEqual([
      ['looker', []],
      ['one', [['two']]],
      ['two', []],
    ])
  })

  it('give a volume that nobody named the name of its place', () => {
    const id = 'ab'.repeat(32)
    const seen = engine(
      [container('shop-cache-1', [`${id}:/var/lib/cache`], { labels: composed('shop', 'cache') })],
      [volume(id), volume('cd'.repeat(32))],
    )
    expect(told(appsIn(seen, all))).toEqual([`shop/cache-var-lib-cache=${id} yes tar`])
  })
})

describe('what is persistent', () => {
  const of = (
    labels: Record<string, string>,
    users: Record<string, string>,
    settings = on,
  ): string => {
    const seen = engine(
      [
        container('shop-web-1', ['shop_data:/d'], {
          labels: { ...composed('shop', 'web'), ...users },
        }),
      ],
      [composedVolume('shop', 'data', labels)],
    )
    return appsIn(seen, settings)[0]?.volumes[0]?.persistent.is ?? 'none'
  }
  const yes = { 'holdfast.persistent': 'true' }
  const no = { 'holdfast.persistent': 'false' }
  const vardos = { 'vardo.persistent': 'true' }

  it.each([
    { when: 'nobody says', expected: 'unsaid' },
    { when: 'the volume says so', labels: yes, expected: 'yes' },
    { when: 'its container says so', users: yes, expected: 'yes' },
    { when: 'Vardo says so', labels: { 'vardo.persistent': '1' }, expected: 'yes' },
    { when: 'the volume contradicts its container', labels: no, users: yes, expected: 'no' },
    { when: 'ours contradicts Vardo', labels: no, users: vardos, expected: 'no' },
    { when: 'everything counts', settings: all, expected: 'yes' },
    { when: 'everything counts but this', labels: no, settings: all, expected: 'no' },
  ])('when $when', ({ labels = {}, users = {}, settings = on, expected }) => {
    expect(of(labels, users, settings)).toBe(expected)
  })

  it('is what the file says, whatever labels say', () => {
    const said = (volumes: readonly (readonly [string, boolean])[] | null) =>
      discovering({
        apps: [
          {
            organization: null,
            name: 'shop',
            volumes:
              volumes &&
              new Map(
                volumes.map(([name, persistent]) => [
                  name,
                  { persistent, strategy: 'auto', exclude: [], stop: false, pause: false },
                ]),
              ),
          },
        ],
      })
    expect(of(no, {}, said(null))).toBe('yes')
    expect(of(no, {}, said([['data', true]]))).toBe('yes')
    expect(of(yes, {}, said([['data', false]]))).toBe('no')
    expect(of({}, {}, said([['other', true]]))).toBe('unsaid')
  })
})

describe('a dump is for the data of a server', () => {
  const strategy = (image: string, mount: string, words: Record<string, string> = {}) => {
    const seen = engine([container('x', [`v:${mount}`], { image, words })], [volume('v')])
    const found = appsIn(seen, all)[0]?.volumes[0]?.strategy
    return found?.kind === 'dump' ? found.database : 'tar'
  }
  it.each([
    ['postgres:15', '/var/lib/postgresql/data', 'postgres'],
    ['postgres:18', '/var/lib/postgresql', 'postgres'],
    [
      'registry.example:5000/pgvector/pgvector:pg16@sha256:aa',
      '/var/lib/postgresql/data',
      'postgres',
    ],
    ['postgres:15', '/var/lib/postgresql/data/pg_wal', 'tar'],
    ['postgres:15', '/backups', 'tar'],
    ['prometheuscommunity/postgres-exporter', '/var/lib/postgresql/data', 'tar'],
    ['mariadb:11', '/var/lib/mysql', 'mariadb'],
    ['mysql:8', '/var/lib/mysql', 'mysql'],
    ['bitnami/mysql', '/bitnami/mysql', 'mysql'],
    ['mongo:7', '/data/db', 'mongo'],
    ['mongo:7', '/data/configdb', 'tar'],
  ])('%s at %s: %s', (image, mount, expected) => {
    expect(strategy(image, mount)).toBe(expected)
  })

  it('wherever its own variable has put it', () => {
    expect(strategy('postgres:15', '/pg', { PGDATA: '/pg/data' })).toBe('postgres')
    expect(strategy('postgres:15', '/var/lib/postgresql/data', { PGDATA: '/pg' })).toBe('tar')
  })
})

describe('the order in which an engine lists', () => {
  const name = fc.constantFrom('a', 'a-blue', 'a-green', 'b', 'a_b')
  const seen = fc.record({
    containers: fc.uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, maxLength: 6 }),
        project: fc.option(name, { nil: null }),
        vardo: fc.option(fc.constantFrom('a', 'c'), { nil: null }),
        mounts: fc.array(fc.constantFrom('a_d', 'a-blue_d', 'a-green_d', 'b_d', 'x'), {
          maxLength: 3,
        }),
        up: fc.boolean(),
      }),
      { selector: (one) => one.name, maxLength: 5 },
    ),
    volumes: fc.subarray(['a_d', 'a-blue_d', 'a-green_d', 'b_d', 'x', 'a-staging_d']),
    turn: fc.nat(),
  })

  it('changes nothing, and no volume has two owners', () => {
    fc.assert(
      fc.property(seen, ({ containers, volumes, turn }) => {
        const running = containers.map((one) =>
          container(
            one.name,
            [...new Set(one.mounts)].map((v, n) => `${v}:/m${n}`),
            {
              state: one.up ? 'running' : 'exited',
              labels: {
                ...(one.project === null ? {} : composed(one.project, 's')),
                ...(one.vardo === null ? {} : { 'vardo.project': one.vardo }),
              },
            },
          ),
        )
        const volumesSeen = volumes.map((one) => volume(one))
        const apps = appsIn(engine(running, volumesSeen), all)
        const turned = <T>(list: readonly T[]) => {
          const by = list.length === 0 ? 0 : turn % list.length
          return [...list.slice(by), ...list.slice(0, by)].reverse()
        }
        expect(appsIn(engine(turned(running), turned(volumesSeen)), all)).toEqual(apps)
        const owned = apps.flatMap((app) =>
          app.volumes.flatMap(({ dockerName, others }) => [dockerName, ...others]),
        )
        expect(owned.toSorted()).toEqual([...new Set(owned)].toSorted())
        expect(owned.toSorted()).toEqual([...volumes].toSorted())
      }),
      { numRuns: 300 },
    )
  })
})
