import { describe, expect, it } from 'vitest'
import { autoJobs } from '../../src/core/auto-jobs.ts'
import { type Coverage, coverage } from '../../src/core/coverage.ts'
import type { Ignore } from '../../src/core/docker-settings.ts'
import type { Desired, DesiredJob, DesiredSource, GroupId } from '../../src/core/model.ts'
import { type DockerSeen, type Surroundings, wordsOf } from '../../src/core/surroundings.ts'
import { Secret } from '../../src/lib/secret.ts'
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
  volume,
} from './docker-nouns.ts'
import { at, job } from './plan-nouns.ts'

function of(docker: DockerSeen, changes: Partial<Desired> = {}): Coverage {
  return ofAll(discovering(changes), [seenBy('host-a', docker)])
}

/** With the auto jobs that there are by then. */
function ofAll(desired: Desired, surroundings: readonly Surroundings[]): Coverage {
  const { jobs } = autoJobs({ desired, surroundings, made: [], now: NOW }, MAKING)
  const seen = coverage({ ...desired, jobs: [...desired.jobs, ...jobs] }, surroundings, NOW)
  if (seen === null) throw new Error('nobody looks')
  return seen
}

function taking(source: Partial<DesiredSource>, changes: Partial<DesiredJob> = {}): DesiredJob {
  const group = 'system/mine/x' as GroupId
  const sources = [{ kind: 'volume', name: 'x', group, options: {}, ...source }]
  return job('mine', {}, { sources, ...changes })
}

const open = ({ unprotected }: Coverage) => unprotected.map(({ kind, name }) => `${kind} ${name}`)
const entry = (kind: Ignore['kind'], name: string): Ignore => ({
  kind,
  name,
  reason: 'a cache',
  until: null,
  day: null,
})

const WIKI = engine(
  [
    container('wiki', ['notes:/data', '/srv/wiki:/etc/wiki', '/etc/localtime:/etc/localtime:ro']),
    container('db', [], { image: 'postgres:15' }),
  ],
  [volume('notes'), volume('ab'.repeat(32))],
)

describe('all that is seen', () => {
  it('is protected by the jobs that take it, those made by themselves too', () => {
    const seen = of(SHOP)
    expect(seen.unprotected).toEqual([])
    expect(seen.protected.map(({ name, job: by }) => `${name} ${by}`)).toEqual([
      'shop_pgdata auto-shop',
      'shop_uploads auto-shop',
    ])
  })

  it('is unprotected otherwise: volumes, folders, and servers whose data is on neither', () => {
    expect(open(of(WIKI))).toEqual(['volume notes', 'bind /srv/wiki', 'database db'])
  })

  it('tells the lines that protect it', () => {
    const lines = of(WIKI).unprotected.map((one) => one.lines.join('\n'))
    expect(lines).toEqual([
      'apps:\n  wiki:\n    volumes:\n      notes: true',
      'jobs:\n  wiki-files:\n    schedule: "0 2 * * *"\n    sources:\n      - { type: directory, path: /srv/wiki }',
      'jobs:\n  db-db:\n    schedule: "0 2 * * *"\n    sources:\n      - { type: postgres, container: db }',
    ])
  })

  it.each([
    ['volume', 'notes'],
    ['volume', 'wiki/notes'],
    ['path', '/srv'],
    ['database', 'db'],
  ] as const)('is ignored as a %s called %s, with its reason', (kind, name) => {
    const seen = of(WIKI, { ignore: [entry(kind, name)] })
    expect(seen.unprotected).toHaveLength(2)
    expect(seen.ignored.map(({ reason }) => reason)).toContain('a cache')
  })

  it('is ignored until its day is over, and no longer', () => {
    const until = (day: string) => [{ ...entry('volume', 'notes'), until: at(day), day: 'x' }]
    expect(open(of(WIKI, { ignore: until('2026-11-20T12:00:00.001Z') }))).not.toContain(
      'volume notes',
    )
    expect(open(of(WIKI, { ignore: until('2026-11-20T12:00:00Z') }))).toContain('volume notes')
  })

  it('is not hidden behind a name that means another volume, unless it is the idle slot', () => {
    const labels = { ...composed('shop-green', 'web'), 'vardo.project': 'shop' }
    const twins = engine(
      [container('shop-green-web-1', ['shop-green_data:/d'], { labels })],
      [
        composedVolume('shop-green', 'data', { 'holdfast.persistent': 'true' }),
        composedVolume('shop-blue', 'data'),
        volume('shop-staging_data', { 'vardo.project': 'shop' }),
      ],
    )
    const { unprotected } = of(twins)
    expect(unprotected).toMatchObject([{ name: 'shop-staging_data' }])
    expect(unprotected[0]?.lines.at(-1)).toContain('{ type: volume, volume: shop-staging_data }')
    const jobs = [taking({ options: { volume: 'shop-staging_data' } })]
    const seen = of(twins, { jobs })
    expect(open(seen)).toEqual([])
    expect(seen.protected.map(({ job: by }) => by)).toEqual(['auto-shop', 'mine'])
  })

  it('names what nobody named or uses among the ignored, so that nothing is hidden', () => {
    expect(of(WIKI).ignored).toMatchObject([
      { reason: 'nobody named it, and no container uses it' },
    ])
  })
})

const AT_DB = new Secret('postgres://me:pw@db:5432/x')

describe('a job', () => {
  const notes = { options: { volume: 'notes' } }
  it.each([
    ['a volume by name', taking(notes), 'volume notes'],
    [
      'an app and its volume',
      taking({ options: { app: 'wiki', volume: 'notes' } }),
      'volume notes',
    ],
    ['a folder above', taking({ kind: 'directory', options: { path: '/srv' } }), 'bind /srv/wiki'],
    [
      'a server',
      taking({ kind: 'postgres', options: { container: 'db', databases: 'all' } }),
      'database db',
    ],
    [
      'a server by its address',
      taking({ kind: 'postgres', options: { url: AT_DB, databases: 'all' } }),
      'database db',
    ],
  ])('protects %s', (_what, own, name) => {
    expect(open(of(WIKI))).toContain(name)
    expect(open(of(WIKI, { jobs: [own] }))).not.toContain(name)
  })

  it.each([
    ['is disabled', { enabled: false }, 'job mine is disabled'],
    ['has no target', { targets: [] }, 'job mine has no target'],
    ['runs elsewhere', { on: ['host-b'] }, 'job mine runs on host-b only'],
  ])('that %s protects nothing', (_how, changes, why) => {
    const { unprotected } = of(WIKI, { jobs: [taking(notes, changes)] })
    expect(unprotected.find(({ name }) => name === 'notes')?.why).toBe(why)
  })

  it.each([
    ['the usual one', { container: 'db' }],
    ['a named one', { container: 'db', database: 'app' }],
  ])('of %s of the databases of a server does not protect the server', (_which, options) => {
    const { unprotected } = of(WIKI, { jobs: [taking({ kind: 'postgres', options })] })
    const db = unprotected.find(({ name }) => name === 'db')
    expect(db?.why).toBe('job mine takes only some of its databases')
    expect(db?.lines).toContain('      - { type: postgres, databases: all }   # not some of them')
  })

  it('of each of them, found by asking the server, protects it', () => {
    const member = { container: 'db', databases: null, database: 'app', globals: false }
    const own = taking({ kind: 'postgres', options: member })
    expect(open(of(WIKI, { jobs: [own] }))).not.toContain('database db')
  })

  it('of a folder beside does not protect', () => {
    const beside = taking({ kind: 'directory', options: { path: '/srv/wik' } })
    expect(open(of(WIKI, { jobs: [beside] }))).toContain('bind /srv/wiki')
  })
})

describe('several instances', () => {
  it('are told apart, and one that could not look is said', () => {
    const desired = discovering({ instances: 2, auto: null })
    const seen = ofAll(desired, [
      seenBy('host-a', SHOP),
      seenBy('host-b', { error: 'connection refused' }),
    ])
    expect(seen.unprotected.every(({ instance }) => instance === 'host-a')).toBe(true)
    expect(seen.unseen).toEqual([{ instance: 'host-b', error: 'connection refused' }])
  })
})

describe('where nobody looks', () => {
  it('nothing is told, and before the first look nothing is called safe', () => {
    const off = { host: 'unix:///var/run/docker.sock', discover: false }
    expect(coverage(discovering({ docker: off }), [], NOW)).toBeNull()
    expect(coverage(discovering(), [], NOW)?.engines).toBe(0)
  })
})

describe('other backup tools', () => {
  it('are shown as the lines of a job: mounts, schedule, retention, who is stopped', () => {
    const seen = engine(
      [
        container('app', ['data:/srv'], {
          labels: {
            'docker-volume-backup.stop-during-backup': 'true',
            'docker-volume-backup.archive-pre': '/bin/dump --password secret',
          },
        }),
        container(
          'backup-1',
          [
            'data:/backup/data:ro',
            '/srv/conf:/backup/conf:ro',
            '/run/docker.sock:/var/run/docker.sock',
          ],
          {
            image: 'offen/docker-volume-backup:v2',
            labels: composed('tools', 'backup'),
            words: wordsOf({
              BACKUP_CRON_EXPRESSION: '0 4 * * *',
              BACKUP_RETENTION_DAYS: '14',
              AWS_SECRET_ACCESS_KEY: 'secret',
            }),
          },
        ),
      ],
      [volume('data')],
    )
    const [tool] = of(seen).tools
    expect(tool?.lines).toEqual([
      'jobs:',
      '  backup:',
      '    schedule: "0 4 * * *"',
      '    retention: { keep_within: 14d }',
      '    sources:',
      '      - { type: directory, path: /srv/conf }',
      '      - { type: volume, volume: data, stop: true }',
    ])
    expect(tool?.read).toContain('label docker-volume-backup.stop-during-backup of app')
    expect(JSON.stringify([seen.containers[1], tool])).not.toContain('secret')
  })

  it('are read off the labels that restic-compose-backup goes by', () => {
    const labels = (word: string, service: string) => ({
      ...composed('shop', service),
      [`restic-compose-backup.${word}`]: 'true',
    })
    const seen = engine(
      [
        container('web', ['shop_up:/up'], { labels: labels('volumes', 'web') }),
        container('db', ['shop_pg:/var/lib/postgresql/data', 'shop_conf:/etc/pg'], {
          image: 'postgres',
          labels: labels('postgres', 'db'),
        }),
      ],
      [composedVolume('shop', 'up'), composedVolume('shop', 'pg'), composedVolume('shop', 'conf')],
    )
    expect(of(seen).tools.map(({ container: name, lines }) => [name, lines.at(-1)])).toEqual([
      ['db', '      pg: true'],
      ['web', '      up: true'],
    ])
  })
})
