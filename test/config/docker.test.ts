import { describe, expect, it } from 'vitest'
import { faultsIn, line, loadText } from './support.ts'

const TARGET = 'targets: { t: { type: local, path: b } }\n'

describe('docker', () => {
  it('is where the file says, else where DOCKER_HOST says, else at the usual socket', async () => {
    const host = async (text: string, env = {}) => (await loadText(text, env)).docker?.host
    const env = { DOCKER_HOST: 'tcp://other:2375' }
    expect(await host('docker: { host: "unix:///run/d.sock" }', env)).toBe('unix:///run/d.sock')
    expect(await host('docker: { discover: true }', env)).toBe('tcp://other:2375')
    expect(await host('docker: { discover: all }')).toBe('unix:///var/run/docker.sock')
  })

  it('is there for a job that needs it, without looking for apps', async () => {
    expect((await loadText('data_dir: /x')).docker).toBeNull()
    const job = `${TARGET}jobs: { j: { apps: [shop] } }`
    const { docker, auto } = await loadText(job, { DOCKER_HOST: 'tcp://h' })
    expect(docker).toEqual({ host: 'tcp://h', discover: false })
    expect(auto).toBeNull()
  })

  it('looks for apps unless told not to', async () => {
    const discover = async (words: string) =>
      (await loadText(`docker: { host: "unix:///s"${words} }`)).docker?.discover
    expect(await discover('')).toBe(true)
    expect(await discover(', discover: false')).toBe(false)
    expect(await discover(', discover: all')).toBe('all')
  })

  it.each([
    ['docker: { discover: some }', 'must be true, false or all'],
    ['docker: { host: "ssh://me@there" }', 'SSH is not spoken'],
    ['docker: { host: nonsense }', 'must be unix:///path/to/docker.sock or tcp://host:2375'],
    ['docker: { hosts: x }', 'unknown key "hosts" (did you mean "host"?)'],
    ['docker: { discover: false }\nauto: true', 'makes jobs for apps, and none are looked for'],
    ['apps: { shop: { volume: {} } }', 'unknown key "volume" (did you mean "volumes"?)'],
    ['apps: { shop: { volumes: { d: { stop: true, pause: true } } } }', 'stands beside "stop"'],
    [
      'apps: { shop: {} }\norganizations: { o: { apps: { shop: {} } } }',
      'app "shop" stands at apps.shop too',
    ],
    ['ignore: [{ volume: x }]', 'key "reason" is missing'],
    ['ignore: [{ volume: x, reason: " " }]', 'must say why'],
    ['ignore: [{ reason: x }]', 'one of "volume", "path", "database", "app" is missing'],
    ['ignore: [{ app: x, path: /y, reason: z }]', 'stands beside "path"'],
    ['ignore: [{ volume: x, reason: y, until: soon }]', 'must be a day such as 2027-03-31'],
    ['ignore: [{ volume: x, reason: y, until: "2027-02-30" }]', 'is no day of the calendar'],
    [`${TARGET}jobs: { j: { apps: [a, b], app: c } }`, 'names one app beside several "apps"'],
  ])('is at fault in %s', async (text, message) => {
    const faults = await faultsIn(text)
    expect(faults.map(line).join('\n')).toContain(message)
  })
})

describe('what the file says of apps', () => {
  it('has volumes that are kept, left, or treated in their own way', async () => {
    const text =
      'apps: { shop: { volumes: { a: true, b: false, c: { strategy: tar, exclude: [tmp], stop: true } } }, all: {} }'
    const { apps } = await loadText(text)
    const usual = { persistent: true, strategy: 'auto', exclude: [], stop: false, pause: false }
    expect(apps).toEqual([
      {
        organization: null,
        name: 'shop',
        volumes: new Map([
          ['a', usual],
          ['b', { ...usual, persistent: false }],
          ['c', { ...usual, strategy: 'tar', exclude: ['tmp'], stop: true }],
        ]),
      },
      { organization: null, name: 'all', volumes: null },
    ])
  })

  it('stands for a source of a job until the app is seen', async () => {
    const text = `${TARGET}jobs: { j: { apps: [shop] }, k: { apps: [a, b] } }`
    const { jobs, unavailable } = await loadText(text)
    expect(unavailable).toEqual([])
    expect(jobs.map(({ app, sources }) => [app, sources])).toEqual([
      [
        'shop',
        [{ kind: 'volume', name: 'shop', group: 'system/shop/shop', options: { app: 'shop' } }],
      ],
      [
        null,
        [
          { kind: 'volume', name: 'a', group: 'system/k/a', options: { app: 'a' } },
          { kind: 'volume', name: 'b', group: 'system/k/b', options: { app: 'b' } },
        ],
      ],
    ])
  })
})

describe('auto', () => {
  it('is on where apps are looked for, with a template for each organization', async () => {
    const text = `${TARGET}docker: { discover: true }\nnotify: { ops: { type: webhook, url: "https://x.example", on: [success, failure] } }\norganizations: { o: { targets: { own: { type: local, path: c } } } }`
    const { auto, notices } = await loadText(text)
    expect(auto).toMatchObject({ stagger: false, except: [] })
    expect(
      auto?.templates.map(({ organization, targets }) => [organization, targets[0]?.target]),
    ).toEqual([
      [null, 't'],
      ['o', 'o/own'],
    ])
    expect(auto?.templates[0]).toMatchObject({
      format: 'vardo',
      compression: { kind: 'gzip', level: 6 },
      encryption: null,
      notify: [{ channel: 'ops', on: ['failure'] }],
      targets: [
        { retention: { keepAll: false, keepLast: 1, keepDaily: 7, keepWeekly: 1, keepMonthly: 1 } },
      ],
    })
    expect(notices).toEqual([])
  })

  it('closes archives where the file declares an encryption, and is not of Vardo then', async () => {
    const text = `${TARGET}docker: {}\nencryption: { passphrase_file: /run/p }`
    const [template] = (await loadText(text)).auto?.templates ?? []
    expect(template).toMatchObject({ compression: { kind: 'zstd' }, encryption: { scheme: 'age' } })
    expect(template?.targets[0]?.encryption).toMatchObject({ scheme: 'age' })
    expect(template).not.toHaveProperty('format')
  })

  it('is switched off, spread or held back by the file', async () => {
    const auto = async (words: string) => (await loadText(`docker: {}\nauto: ${words}`)).auto
    expect(await auto('false')).toBeNull()
    expect(await auto('true')).toMatchObject({ stagger: false })
    expect(await auto('{ stagger: true, except: [shop] }')).toMatchObject({
      stagger: true,
      except: ['shop'],
    })
  })
})

describe('what is left alone', () => {
  it('counts through its last day, in UTC', async () => {
    const text =
      'ignore:\n  - { path: /srv/cache, reason: a cache, until: 2027-03-31 }\n  - { volume: x, reason: y }'
    expect((await loadText(text)).ignore).toEqual([
      {
        kind: 'path',
        name: '/srv/cache',
        reason: 'a cache',
        until: Date.parse('2027-04-01T00:00:00Z'),
        day: '2027-03-31',
      },
      { kind: 'volume', name: 'x', reason: 'y', until: null, day: null },
    ])
    const toml = '[[ignore]]\nvolume = "x"\nreason = "y"\nuntil = 2027-03-31\n'
    expect((await loadText(toml, {}, 'holdfast.toml')).ignore[0]?.day).toBe('2027-03-31')
  })
})
