// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the config's own syntax
import { describe, expect, it } from 'vitest'
import { faultsIn, line, SOURCE } from './support.ts'

/** A config whose only job has these lines. */
const job = (...lines: readonly string[]) =>
  ['targets:', '  disk: { type: local, path: /b }', 'jobs:', '  a:']
    .concat(
      [`    source: ${SOURCE}`],
      lines.map((one) => `    ${one}`),
    )
    .join('\n')

describe('a fault of a YAML config names its place, its path and the next step', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'an unknown key',
      job('schedul: "@daily"'),
      'holdfast.yml:6:5 jobs.a.schedul: unknown key "schedul" (did you mean "schedule"?)',
    ],
    [
      'a restart of what nobody here knows',
      'jobs: { a: { source: { type: postgres, url: "postgres://db/x", restart: true } } }',
      'holdfast.yml:1:73 jobs.a.source.restart: is for a server in a container (leave it out: what uses a server elsewhere is yours to restart)',
    ],
    [
      'two databases for a program that takes one',
      'jobs: { a: { source: { type: mongo, container: c, databases: [x, y] } } }',
      'holdfast.yml:1:51 jobs.a.source.databases: mongodump takes one database, or all (write a source for each)',
    ],
    [
      'an unknown section',
      'jbos: {}',
      'holdfast.yml:1:1 jbos: unknown key "jbos" (did you mean "jobs"?)',
    ],
    [
      'a camelCase misspelling',
      job('keepDayly: 3'),
      'holdfast.yml:6:5 jobs.a.keepDayly: unknown key "keepDayly" (did you mean "keep_daily"?)',
    ],
    [
      'an unknown type',
      'targets:\n  t: { type: lokal, path: x }',
      'holdfast.yml:2:14 targets.t.type: must be one of "local", "s3", "r2", "b2", "ssh" (did you mean "local"?)',
    ],
    [
      'a missing key',
      'targets:\n  t: { type: local }',
      'holdfast.yml:2:3 targets.t: key "path" is missing',
    ],
    [
      'a wrong type',
      job('retry: { attempts: many }'),
      'holdfast.yml:6:24 jobs.a.retry.attempts: must be a whole number',
    ],
    [
      'a number where text is due',
      job('name: 7'),
      'holdfast.yml:6:11 jobs.a.name: must be text (write it in quotes)',
    ],
    [
      'a token that is soon guessed',
      'http: { token: sesame }',
      'holdfast.yml:1:16 http.token: must be a token of at least 16 characters',
    ],
    [
      'an address without a port',
      'http: { listen: 127.0.0.1 }',
      'holdfast.yml:1:17 http.listen: must be an address such as 127.0.0.1:7788',
    ],
    [
      'a bad duration',
      job('retry:', '  within: 2 hours'),
      'holdfast.yml:7:15 jobs.a.retry.within: must be a duration such as 30s, 5m, 2h, 7d, 2w, 12mo or 1y',
    ],
    [
      'a duration beyond counting',
      'drain_timeout: 9999999999999y',
      'holdfast.yml:1:16 drain_timeout: is too large for a duration',
    ],
    [
      'a bad size',
      'limits: { bandwidth: fast }',
      'holdfast.yml:1:22 limits.bandwidth: must be a size such as 10MiB',
    ],
    [
      'a share over one',
      job('max_delete: 101%'),
      'holdfast.yml:6:17 jobs.a.max_delete: must be a share such as 50%, or a number from 0 to 1',
    ],
    [
      'fewer than one kept',
      job('retention: { keep_last: 1, keep_at_least: 0 }'),
      'holdfast.yml:6:47 jobs.a.retention.keep_at_least: must be at least 1',
    ],
    ['a job without a body', 'jobs:\n  a:', 'holdfast.yml:2:5 jobs.a: must be a map of keys'],
    [
      'a job without sources',
      'jobs:\n  a: { schedule: "@daily" }',
      'holdfast.yml:2:3 jobs.a: has no source (write "sources:", a list)',
    ],
    [
      'a name that is no name',
      `jobs:\n  a/b: { source: ${SOURCE} }`,
      "holdfast.yml:2:3 jobs.a/b: must be a name of letters, digits, '.', '_' and '-'",
    ],
    [
      'an impossible cron',
      job('schedule: "0 25 * * *"'),
      'holdfast.yml:6:15 jobs.a.schedule: "0 25 * * *" is no cron pattern: Invalid value for hour: 25 (minute hour day month weekday: "0 2 * * *" is 02:00 every day)',
    ],
    [
      'a schedule that can never fire',
      job('schedule: "0 0 30 2 *"'),
      'holdfast.yml:6:15 jobs.a.schedule: "0 0 30 2 *" can never fire (minute hour day month weekday: "0 2 * * *" is 02:00 every day)',
    ],
    [
      'a schedule that fires more than once a minute',
      job('schedule: "0,30 * * * * *"'),
      'holdfast.yml:6:15 jobs.a.schedule: "0,30 * * * * *" fires more than once a minute (minute hour day month weekday: "0 2 * * *" is 02:00 every day)',
    ],
    [
      'an unknown time zone',
      job('timezone: Europe/Berln'),
      'holdfast.yml:6:15 jobs.a.timezone: unknown time zone "Europe/Berln" (did you mean Europe/Berlin?)',
    ],
    [
      'an unknown target',
      job('targets: [dsik]'),
      'holdfast.yml:6:15 jobs.a.targets[0]: unknown target "dsik" (did you mean "disk"?)',
    ],
    [
      'a target named twice',
      job('targets: [disk, { name: disk }]'),
      'holdfast.yml:6:21 jobs.a.targets[1]: is named twice',
    ],
    [
      'an unknown channel',
      job('notify: [ops]'),
      'holdfast.yml:6:14 jobs.a.notify[0]: unknown channel "ops" (declare it under "notify")',
    ],
    [
      'more targets required than there are',
      job('targets: [disk]', 'require: 2'),
      'holdfast.yml:7:14 jobs.a.require: 2 targets are required, and the job has 1',
    ],
    [
      'two retentions',
      job('retention: { keep_last: 2 }', 'keepDaily: 7'),
      'holdfast.yml:7:16 jobs.a.keep_daily: stands beside "retention" (write it into "retention")',
    ],
    [
      'a former name that still exists',
      `jobs:\n  a: { source: ${SOURCE} }\n  b: { source: { type: sqlite, path: /x.db }, renamed_from: a }`,
      'holdfast.yml:3:61 jobs.b.renamed_from: job "a" still exists (name the key that the job had before, or leave it out)',
    ],
    [
      'a path template without a timestamp',
      job('path: "{source}/x"'),
      'holdfast.yml:6:11 jobs.a.path: must hold {source} and {timestamp} ({org}/{app}/{source}/{timestamp})',
    ],
    [
      'a path template that leaves the target',
      job('path: "../{source}/{timestamp}"'),
      'holdfast.yml:6:11 jobs.a.path: must be relative, without empty parts, "." and ".."',
    ],
    [
      'a source that is its target',
      'targets:\n  t: { type: local, path: /x/ }\njobs:\n  a: { source: { type: directory, path: /x } }',
      'holdfast.yml:4:41 jobs.a.source.path: is the directory of target "t" itself',
    ],
    [
      'a source that is data_dir',
      'data_dir: /x\njobs:\n  a: { source: { type: directory, path: /x } }',
      'holdfast.yml:3:41 jobs.a.source.path: is data_dir itself',
    ],
    [
      'two sources of one name',
      'jobs:\n  a:\n    sources:\n      - { type: directory, path: /x/data }\n      - { type: directory, path: /y/data }',
      'holdfast.yml:5:9 jobs.a.sources[1]: a second source named "data" in this job (give one of them a "name")',
    ],
    [
      'a source name that would climb out of its key',
      job().replace('path: /srv/data', 'path: /srv/data, name: ".."'),
      "holdfast.yml:5:55 jobs.a.source.name: must be a name of letters, digits, '.', '_' and '-'",
    ],
    [
      'a source that has no name of its own',
      'jobs:\n  a: { source: { type: directory, path: / } }',
      'holdfast.yml:2:8 jobs.a.source: needs a "name" of its own',
    ],
    [
      'a home that a shell would know',
      'data_dir: ~/holdfast',
      'holdfast.yml:1:11 data_dir: ~ is not expanded (write ${HOME} instead of ~)',
    ],
    [
      'a private key for a public one',
      'encryption:\n  recipients: [AGE-SECRET-KEY-1QQQ]',
      'holdfast.yml:2:16 encryption.recipients[0]: must be a public key of age (age1…)',
    ],
    [
      'an encryption for nobody',
      'encryption: { identity_file: /k }',
      'holdfast.yml:1:1 encryption: "recipients" are missing (make a key with: age-keygen -o age.key)',
    ],
    [
      'two defaults',
      'targets:\n  a: { type: local, path: /a, default: true }\n  b: { type: local, path: /b, default: true }',
      'holdfast.yml:3:40 targets.b.default: "a" is the default already (one target can be the default)',
    ],
    [
      'an organization of the reserved name',
      'organizations:\n  system: {}',
      'holdfast.yml:2:3 organizations.system: the name "system" stands for what belongs to no organization',
    ],
    [
      'a webhook without an address',
      'notify:\n  ops: { type: webhook }',
      'holdfast.yml:2:3 notify.ops: one of "url", "url_file" is missing',
    ],
    [
      'a key declared twice',
      'data_dir: /a\ndata_dir: /b',
      'holdfast.yml:2:1 data_dir: declared twice, first in line 1',
    ],
    [
      'a job declared twice',
      `jobs:\n  a: { source: ${SOURCE} }\n  a: { source: ${SOURCE} }`,
      'holdfast.yml:3:3 jobs.a: declared twice, first in line 2',
    ],
    [
      'one key in two spellings',
      'dataDir: /a\ndata_dir: /b',
      'holdfast.yml:2:1 data_dir: "data_dir" is set twice, in two spellings (write "data_dir" alone)',
    ],
    [
      'an unset variable',
      'data_dir: ${NOWHERE}/x',
      'holdfast.yml:1:11 data_dir: variable NOWHERE is not set (set it, or give it a default: ${NOWHERE:-default})',
    ],
  ]

  it.each(cases)('%s', async (_, text, expected) => {
    expect((await faultsIn(text)).map(line)).toEqual([expected])
  })
})

describe('two jobs that would write one group to one target', () => {
  it('are a fault that names both', async () => {
    const text = [
      'targets: { disk: { type: local, path: /b } }',
      'jobs:',
      '  a: { app: shop, source: { type: directory, path: /x/data } }',
      '  b: { app: shop, source: { type: directory, path: /y/data } }',
    ].join('\n')
    const [fault, ...more] = await faultsIn(text)
    expect(more).toEqual([])
    expect(fault?.at).toBe('holdfast.yml:4:19')
    expect(fault?.message).toBe('job "a" writes system/shop/data to target "disk" too')
  })

  it('are fine on different targets', async () => {
    const text = [
      'targets: { t: { type: local, path: /t }, u: { type: local, path: /u } }',
      'jobs:',
      '  a: { app: shop, target: t, source: { type: directory, path: /x/data } }',
      '  b: { app: shop, target: u, source: { type: directory, path: /y/data } }',
    ].join('\n')
    expect(await faultsIn(text)).toEqual([])
  })
})

describe('faults of every kind', () => {
  it('come out together, in order of place', async () => {
    const text = [
      'jobs:',
      '  a:',
      '    schedule: "0 0 31 2 *"', // meaning
      '    retry: { attempts: x }', // schema
      '    sources: [{ type: sqlite, path: "${NOPE}" }]', // interpolation
      '    targets: [nowhere]', // reference
      '    targets: [nowhere]', // duplicate
      '  b: 3', // schema
    ].join('\n')
    const faults = await faultsIn(text)
    expect(faults.map(({ at }) => at)).toEqual([
      'holdfast.yml:3:15',
      'holdfast.yml:4:24',
      'holdfast.yml:5:37',
      'holdfast.yml:6:15',
      'holdfast.yml:7:5',
      'holdfast.yml:8:6',
    ])
  })
})

describe('broken YAML', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'a tab',
      'jobs:\n\ta: 1',
      'holdfast.yml:2:1 : tabs are not allowed as indentation; use spaces',
    ],
    [
      'a variable without quotes inside braces',
      'jobs:\n  a: { source: { type: sqlite, path: ${X} } }',
      'holdfast.yml:2:39 : cannot be understood here (inside { } and [ ] a variable needs quotes: { key: "${NAME}" })',
    ],
    [
      'a cron without quotes',
      'jobs:\n  a:\n    schedule: * * * * *',
      'holdfast.yml:3:15 : a value that begins with * is an alias; write it in quotes (a schedule is written in quotes: "*/5 * * * *", "@daily")',
    ],
    ['nothing at all', '', 'holdfast.yml : is empty (make one with: holdfast config init)'],
    ['comments alone', '# x\n', 'holdfast.yml : is empty (make one with: holdfast config init)'],
    [
      'a list',
      '- a',
      'holdfast.yml:1:1 : must be a map of sections (see an example with: holdfast config init)',
    ],
    ['an unknown anchor', 'data_dir: *a', 'holdfast.yml:1:11 data_dir: no anchor &a stands above'],
    ['a tag', 'data_dir: !env X', 'holdfast.yml:1:11 : tags (!name) are not understood here'],
  ]

  it.each(cases)('says so of %s', async (_, text, expected) => {
    expect((await faultsIn(text)).map(line)).toEqual([expected])
  })

  it('is read past a byte order mark and CRLF', async () => {
    const [fault] = await faultsIn('\ufeffdata_dir: /x\r\ndrain_timeout: x\r\n')
    expect(fault?.at).toBe('holdfast.yml:2:16')
  })
})
