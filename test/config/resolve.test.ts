import { describe, expect, it } from 'vitest'
import { loadConfigText } from '../../src/config/load.ts'
import { checksOf, checkWarnings } from '../../src/core/checks.ts'
import type { Desired, DesiredJob } from '../../src/core/model.ts'
import { faultsIn, line, loadText, SOURCE } from './support.ts'

const HOUR = 3_600_000

describe('a config that says nothing', () => {
  it('has the defaults that the design promises', async () => {
    const text = `targets: { t: { type: local, path: b } }\njobs: { a: { source: ${SOURCE} } }`
    const desired = await loadText(text)
    expect(desired).toMatchObject({
      deployment: 'default',
      dataDir: '/etc/holdfast/.holdfast',
      scratchDir: '/etc/holdfast/.holdfast/scratch',
      encryption: null,
      signing: null,
      limits: { concurrency: 2, bandwidth: null, zstdThreads: 0, nice: 0, maxDuration: null },
      drainTimeout: 600_000,
      restore: { once: false },
      unavailable: [],
      notices: [],
    })
    expect(desired.jobs[0]).toMatchObject({
      title: 'a',
      enabled: true,
      schedule: null,
      require: 1,
      retry: { attempts: 3, within: 2 * HOUR },
      objectives: { rpo: null, rto: null, verifiedWithin: 168 * HOUR, drilledWithin: null },
      notify: [],
      compression: { kind: 'zstd', level: 3 },
      firstRun: 'slot',
      shrinkGuard: 0.5,
      maxDelete: 0.5,
      maxDuration: null,
      path: null,
    })
    expect(desired.jobs[0]?.targets[0]?.retention).toMatchObject({ keepAll: true, keepAtLeast: 1 })
  })

  it('is told that nothing is backed up', async () => {
    expect((await loadText('data_dir: /x')).notices).toEqual([
      'no job is declared: nothing is backed up',
    ])
  })
})

describe('paths', () => {
  it('start at the folder of the file, or where the caller says', async () => {
    const text = [
      'data_dir: state',
      'signing: { type: hmac, key_file: keys/hmac }',
      'encryption: { recipients: [age1q], identity_file: /abs, identity_files: [rel] }',
      'targets: { t: { type: local, path: ../b } }',
      'jobs:',
      '  a:',
      '    sources:',
      '      - { type: sqlite, path: ./x.db }',
      '      - { type: command, backup: [./dump, ./argument], restore: [psql], cwd: work }',
    ].join('\n')
    const seen = ({ dataDir, signing, encryption, targets, jobs }: Desired) => [
      dataDir,
      signing?.kind === 'hmac' && signing.keyFile,
      ...(encryption?.scheme === 'age' ? encryption.identityFiles : []),
      targets[0]?.options.path,
      ...(jobs[0]?.sources.map(({ options }) => options.path ?? options.backup) ?? []),
      jobs[0]?.sources[1]?.options.cwd,
    ]
    const under = (root: string) => [
      `${root}/f/state`,
      `${root}/f/keys/hmac`,
      '/abs',
      `${root}/f/rel`,
      `${root}/b`,
      `${root}/f/x.db`,
      [`${root}/f/dump`, './argument'],
      `${root}/f/work`,
    ]
    const request = { text, path: '/r/f/holdfast.yml', env: {}, cwd: '/' }
    expect(seen(await loadConfigText(request))).toEqual(under('/r'))
    expect(seen(await loadConfigText({ ...request, folder: '/q/f' }))).toEqual(under('/q'))
  })
})

describe('a source without a name', () => {
  it.each([
    ['{ type: directory, path: /srv/shop/uploads/ }', 'uploads'],
    ['{ type: directory, path: "/srv/my photos" }', 'my-photos'],
    ['{ type: sqlite, path: /srv/shop.sqlite }', 'shop.sqlite'],
    ['{ type: command, backup: [/usr/bin/pg_dump, x] }', 'pg_dump'],
    ['{ type: volume, volume: shop_data }', 'shop_data'],
    ['{ type: postgres, databases: [orders] }', 'orders'],
    ['{ type: postgres, container: pg }', 'pg'],
    ['{ type: postgres, databases: all }', 'postgres'],
    ['{ type: directory, path: /x, name: own }', 'own'],
  ])('%s is called %s', async (source, name) => {
    const { jobs } = await loadText(`jobs: { j: { source: ${source} } }`)
    expect(jobs[0]?.sources[0]).toMatchObject({ name, group: `system/j/${name}` })
  })
})

describe('plug-in options', () => {
  it('come with defaults filled in and units read', async () => {
    const text = [
      'jobs:',
      '  a:',
      '    sources:',
      '      - { type: directory, path: /x, changed_limit: 20% }',
      '      - { type: command, backup: [dump], min_size: 2KiB }',
    ].join('\n')
    const [one, two] = (await loadText(text)).jobs[0]?.sources ?? []
    expect(one?.options).toEqual({
      path: '/x',
      exclude: [],
      one_file_system: false,
      require_mount: false,
      allow_empty: false,
      changed_limit: 0.2,
    })
    expect(two?.options).toEqual({ backup: ['dump'], extension: '', min_size: 2048 })
  })
})

describe('retention', () => {
  it('is that of the target in the job, else the job, else the target, else everything', async () => {
    const text = [
      'targets:',
      '  a: { type: local, path: /a, retention: { keep_last: 1 } }',
      '  b: { type: local, path: /b }',
      'jobs:',
      `  x: { source: ${SOURCE}, timezone: Europe/Berlin, targets: [a, b] }`,
      `  y: { source: ${SOURCE}, targets: [a, { name: b, retention: { keep_last: 3 } }], retention: { keep_last: 2 } }`,
    ].join('\n')
    const { jobs } = await loadText(text)
    const kept = jobs.map(({ targets }) =>
      targets.map(({ retention }) => (retention.keepAll ? 'all' : retention.keepLast)),
    )
    expect(kept).toEqual([
      [1, 'all'],
      [2, 3],
    ])
    expect(jobs[0]?.targets[0]?.retention.timezone).toBe('Europe/Berlin')
  })

  it('takes zero for a rule that is set', async () => {
    const text = `targets: { t: { type: local, path: /b } }\njobs: { a: { source: ${SOURCE}, retention: { keep_daily: 0 } } }`
    const retention = (await loadText(text)).jobs[0]?.targets[0]?.retention
    expect(retention).toMatchObject({ keepAll: false, keepDaily: 0, keepLast: null })
  })
})

describe('a job without targets', () => {
  const jobs = `jobs: { j: { source: ${SOURCE} } }`
  const system = (mark: string) => `targets: { s1: ${target('s1', '')}, s2: ${target('s2', mark)} }`
  const acme = (targets: string) => `organizations: { acme: { ${targets} ${jobs} } }`
  function target(path: string, mark: string): string {
    return `{ type: local, path: /${path}${mark} }`
  }
  const isDefault = ', default: true'

  it.each([
    [
      "the organization's default",
      system(isDefault),
      `targets: { a: ${target('a', '')}, b: ${target('b', isDefault)} },`,
      'acme/b',
    ],
    [
      "any of the organization's",
      system(isDefault),
      `targets: { a: ${target('a', '')} },`,
      'acme/a',
    ],
    ["the system's default", system(isDefault), '', 's2'],
    ["any of the system's", system(''), '', 's1'],
  ])('takes %s', async (_, top, own, expected) => {
    const [job] = (await loadText(`${top}\n${acme(own)}`)).jobs
    expect(job?.targets.map((one) => one.target)).toEqual([expected])
    expect(job).toMatchObject({ id: 'acme/j', noTarget: null })
  })

  it('says why when there is none', async () => {
    const [job] = (await loadText(acme(''))).jobs
    expect(job).toMatchObject({
      targets: [],
      require: 0,
      noTarget:
        'the job names no target, and neither organization acme nor the system declares one',
    })
  })
})

describe('an organization', () => {
  const text = [
    'targets: { shared: { type: local, path: /s } }',
    'notify: { all: { type: ping, url: "https://h/1" } }',
    'organizations:',
    '  acme:',
    '    targets: { shared: { type: local, path: /a } }',
    '    notify: { ops: { type: webhook, url: "https://h/2" } }',
    '    jobs:',
    `      one: { source: ${SOURCE}, targets: [shared] }`,
    `      two: { source: ${SOURCE}, app: site, notify: [all, { name: ops, on: [success] }] }`,
    '  birch:',
    '    jobs:',
    `      one: { source: ${SOURCE}, targets: [shared], renamed_from: old, notify: [] }`,
  ].join('\n')

  it('sees its own names first, then those of the system, and never those of another', async () => {
    const { jobs } = await loadText(text)
    expect(jobs.map(({ id }) => id)).toEqual(['acme/one', 'acme/two', 'birch/one'])
    expect(jobs.map((job) => job.targets[0]?.target)).toEqual([
      'acme/shared',
      'acme/shared',
      'shared',
    ])
    const faults = await faultsIn(text.replace('notify: [] }', 'notify: [ops] }'))
    expect(faults.map(({ message }) => message)).toEqual(['unknown channel "ops"'])
  })

  it('has its channels told of its jobs unless a job says otherwise', async () => {
    const { jobs } = await loadText(text)
    expect(jobs.map(({ notify }) => notify)).toEqual([
      [{ channel: 'acme/ops', on: ['failure'] }],
      [
        { channel: 'all', on: ['failure', 'success'] },
        { channel: 'acme/ops', on: ['success'] },
      ],
      [],
    ])
  })

  it('groups archives under its own name, by app where there is one', async () => {
    const { jobs } = await loadText(text)
    expect(jobs.map(({ sources }) => sources[0]?.group)).toEqual([
      'acme/one/data',
      'acme/site/data',
      'birch/one/data',
    ])
    expect(jobs[2]?.renamedFrom).toBe('birch/old')
  })
})

describe('a declaration of databases', () => {
  const sources = async (declared: string, job = '') => {
    const { jobs } = await loadText(
      `jobs: { j: { ${job}source: { type: postgres, ${declared} } } }`,
    )
    return jobs[0]?.sources.map(({ name, options }) => {
      const { database, databases, globals } = options
      return Object.values({ name, database, databases, globals }).filter(Boolean).join(' ')
    })
  }
  const KEY = `encryption: { recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p] }, targets: [t], `

  it.each([
    ['databases: [a, "b c"]', ['a a', 'b-c-9ed43fe3 b c']],
    ['databases: [a, b], name: main', ['main.a a', 'main.b b']],
    ['databases: a, name: main', ['main a']],
    ['globals: true', ['globals true', 'postgres']],
    ['databases: [a], globals: true, name: main', ['main.globals true', 'main a']],
    ['databases: all, globals: true, name: main', ['main all true']],
    ['databases: all', ['postgres all']],
  ])('%s is %j', async (declared, expected) => {
    expect(await sources(declared)).toEqual(expected)
  })

  it('writes SQL that Vardo reads for a job of its format, and passwords of roles only under a key', async () => {
    const { jobs } = await loadText(
      `targets: { t: { type: local, path: /t } }\njobs: { v: { format: vardo, source: { type: postgres } }, c: { ${KEY}source: { type: postgres, globals: true, databases: [a] } } }`,
    )
    expect(jobs[0]?.sources[0]?.options).toMatchObject({ format: 'plain', extension: '.dump' })
    expect(jobs[1]?.sources.map(({ options }) => options.role_passwords)).toEqual([true, undefined])
  })
})

describe('checks of a job', () => {
  const job = (source: string, ...checks: readonly string[]) =>
    `targets: { t: { type: local, path: /t } }\njobs: { a: { source: ${source}, checks: [${checks.join(', ')}] } }`
  const shops = '{ type: postgres, databases: [shop, blog], globals: true }'

  it('are about each of its databases, or about the one that they name', async () => {
    const { jobs } = await loadText(
      job(
        shops,
        '{ name: x, sql: select 1, expect: "> 0" }',
        '{ name: y, source: blog, sql: select 1, timeout: 1h, expect: true }',
        '{ name: z, source: blog, sql: select 1, expect: 0 }',
      ),
    )
    const [found] = jobs
    const names = found?.sources.map((source) => checksOf(found, source).map(({ name }) => name))
    expect(names).toEqual([[], ['x'], ['x', 'y', 'z']])
    expect(found?.checks?.map(({ expect: wanted, timeout }) => [wanted, timeout])).toEqual([
      ['> 0', 300_000],
      ['true', 3_600_000],
      ['0', 300_000],
    ])
    expect(found?.facts['check y']).toMatch(/^sql [0-9a-f]{6} source=blog expect=true timeout=1h$/)
    expect(checkWarnings(found as DesiredJob)).toEqual([])
  })

  it.each([
    [job(shops, '{ name: x, sql: s }', '{ name: x, sql: s }'), /a second check named "x"/],
    [
      job(shops, '{ name: x, source: blgo, sql: s }'),
      /unknown source "blgo" \(did you mean "blog"/,
    ],
    [job(shops, '{ name: x, source: globals, sql: s }'), /"globals" is no PostgreSQL database/],
    [
      job('{ type: postgres, name: m, databases: all }', '{ name: x, source: m, sql: s }'),
      /"m" stands for all databases/,
    ],
    [job(SOURCE, '{ name: x, sql: s }'), /asked of PostgreSQL databases, and this job has none/],
    [job('{ type: volume, volume: v, strategy: tar }', '{ name: x, sql: s }'), /has none/],
    [job(shops, '{ name: x, sql: s, command: [c] }'), /stands beside "sql"/],
    [job(shops, '{ name: x }'), /"sql", "command" is missing/],
    [job(shops, '{ name: x, sql: s, timeout: 25d }'), /must be between 1ms and 24d/],
    [job(shops, '{ name: x, sql: s, timeout: 0s }'), /must be between 1ms and 24d/],
  ])('are refused where they could not be asked: %s', async (text, words) => {
    expect((await faultsIn(text)).map(line).join()).toMatch(words)
  })

  it('are told where the server turned out to have no such database', async () => {
    const all = '{ type: postgres, databases: all }'
    const { jobs } = await loadText(job(all, '{ name: x, source: shpo, sql: s }'))
    const [open] = jobs as readonly DesiredJob[]
    if (open === undefined) throw new Error('no job')
    expect(checkWarnings(open)).toMatchObject([
      { message: expect.stringContaining('known so far') },
    ])
    const sources = open.sources.map((one) => ({ ...one, name: 'shop', options: {} }))
    expect(checkWarnings({ ...open, sources })).toMatchObject([{ rule: 'check-of-nothing' }])
  })
})

describe('what this version does not build', () => {
  it('is listed by path and in words, and nothing else is', async () => {
    const text = [
      'auto: false',
      'docker: {}',
      'targets: { l: { type: local, path: /l } }',
      'jobs:',
      '  a:',
      `    sources: [${SOURCE}, { type: bucket, from: l }]`,
      '    targets: [l]',
      '    objectives: { rto: 1h, drilled_within: 30d }',
      '    checks: [{ name: n, command: ["true"] }]',
      'organizations: { acme: { notify: { m: { type: email, recipients: [a@b] } } } }',
    ].join('\n')
    const { unavailable } = await loadText(text)
    expect(unavailable.map(({ path, what }) => `${path}: ${what}`)).toEqual([
      'jobs.a.sources[1]: source type bucket',
      'jobs.a.objectives.rto: restore drills',
      'jobs.a.objectives.drilled_within: restore drills',
      'jobs.a.checks[0].command: checks by command',
      'organizations.acme.notify.m: channel type email',
    ])
  })
})

describe('fingerprints and facts', () => {
  const base = `targets: { t: { type: local, path: /b } }\njobs: { a: { source: ${SOURCE}, schedule: "@daily"`
  const jobOf = async (more: string) => (await loadText(`${base}${more} } }`)).jobs[0]

  it('are equal for equal meaning, however it is written', async () => {
    const plain = await jobOf('')
    const wordy = await jobOf(
      ', enabled: true, timezone: UTC, retry: { attempts: 3 }, maxDelete: 50%',
    )
    expect(wordy?.fingerprint).toBe(plain?.fingerprint)
    expect(wordy?.facts).toEqual(plain?.facts)
  })

  it.each([
    [', name: Shop', 'name', 'Shop'],
    [', enabled: false', 'enabled', 'no'],
    [', timezone: Europe/Berlin', 'schedule', '@daily (Europe/Berlin)'],
    [', retention: { keep_last: 2, keep_within: 36h }', 'target t', 'keeps last 2, within 1d12h'],
    [', retry: { attempts: 1 }', 'retry', '1 attempts within 2h'],
    [', objectives: { verified_within: never }', 'verified within', 'never'],
    [', compression: { type: zstd, level: 9 }', 'compression', 'zstd 9'],
    [', shrink_guard: 0.2', 'shrink guard', '0.2'],
    [', max_duration: 90m', 'max duration', '1h30m'],
    [', first_run: now', 'first run', 'now'],
  ])('%s changes them', async (more, key, words) => {
    const [before, after] = [await jobOf(''), await jobOf(more)]
    expect(after?.fingerprint).not.toBe(before?.fingerprint)
    expect(after?.facts[key]).toBe(words)
  })

  it('tell what a target is', async () => {
    const { targets } = await loadText(
      'targets: { t: { type: local, path: /srv/backups, default: true } }',
    )
    expect(targets[0]?.facts).toEqual({ type: 'local', path: '/srv/backups', default: 'yes' })
  })
})

describe('YAML anchors', () => {
  it('are followed, merged by <<, and kept under x- keys', async () => {
    const text = [
      'x-usual: &usual { schedule: "@daily", first_run: now }',
      'jobs:',
      `  a: { <<: *usual, source: ${SOURCE}, first_run: slot }`,
    ].join('\n')
    const [job] = (await loadText(text)).jobs
    expect(job).toMatchObject({ schedule: { cron: '@daily' }, firstRun: 'slot' })
  })

  it('that contain themselves are a fault', async () => {
    const faults = await faultsIn(`jobs: &j\n  a: { source: ${SOURCE} }\n  b: *j`)
    expect(faults.map(line)).toContain('holdfast.yml:3:6 jobs.b.b: the alias *j contains itself')
  })
})
