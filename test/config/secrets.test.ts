// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the config's own syntax
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { showConfig } from '../../src/config/show.ts'
import { reportOf } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { faultsIn, faultsOf, line, loadText, makeFolder, revealed, SOURCE } from './support.ts'

const EVERYWHERE = [
  'state: "postgres://u:hunter2@h/db"',
  'redis: "redis://:hunter2@h"',
  'backup: { type: r2, bucket: b, endpoint: "https://e", accessKey: hunter2, secretKey: "${PW}" }',
  'targets:',
  '  s: { type: s3, bucket: b, access_key_id: hunter2, secret_access_key: hunter2, session_token: hunter2, server_side_encryption: { customer_key: hunter2 } }',
  '  n: { type: ssh, host: h, username: u, path: /p, private_key: hunter2, passphrase: hunter2 }',
  'jobs:',
  '  a:',
  '    sources:',
  '      - { type: postgres, url: "postgres://u:hunter2@h/db" }',
  '      - { type: command, backup: [dump], env: { PW: hunter2, OTHER: "${PW}" } }',
  'notify:',
  '  w: { type: webhook, url: "https://h/hunter2", secret: hunter2 }',
  '  p: { type: ping, url: "https://h/hunter2" }',
  '  s: { type: slack, webhook_url: "https://h/hunter2" }',
  '  e: { type: email, recipients: [a@b], smtp_password: hunter2 }',
  'api_tokens: { ci: { token: hunter2 } }',
].join('\n')

describe('a secret', () => {
  it('is nowhere to be seen in what is loaded', async () => {
    const desired = await loadText(EVERYWHERE, { PW: 'hunter2' })
    const seen = [
      JSON.stringify(desired),
      JSON.stringify(showConfig(desired)),
      inspect(desired, { depth: null, showHidden: true }),
      String(desired.targets[0]?.options.access_key_id),
    ]
    expect(seen.join('\n')).not.toContain('hunter2')
    const webhook = desired.channels.find(({ kind }) => kind === 'webhook')
    expect(webhook?.options.secret).toBeInstanceOf(Secret)
    expect(revealed(webhook?.options.secret)).toBe('hunter2')
  })

  it.each([
    ['of the wrong type', 'targets: { t: { type: s3, bucket: b, access_key_id: [hunter2] } }'],
    ['under a misspelt key', 'targets: { t: { type: s3, bucket: b, acess_key_id: hunter2 } }'],
    ['that is no address', 'notify: { w: { type: webhook, url: "ftp://hunter2" } }'],
    ['that is no address of Redis', 'redis: "http://hunter2"'],
    ['in an address of Redis without a host', 'redis: "redis://:hunter2@"'],
    ['in an address of Redis with a bad port', 'redis: "redis://:hunter2@h:0"'],
    ['that is a password with a slash', 'redis: "sentinel://:hunter2/x@h/m"'],
    ['that is no address of PostgreSQL', 'state: "mysql://hunter2"'],
    ['in broken YAML', 'state: "hunter2" hunter2'],
    ['in an unclosed text', 'state: "hunter2'],
    ['on a line with a tab', 'a:\n\tstate: hunter2'],
    ['as an unexpected map', 'state: hunter2: hunter2'],
    ['in the wrong place', 'jobs: hunter2'],
    ['given twice', 'state: hunter2\nstate: hunter2'],
  ])('%s is not quoted by a fault', async (_, text) => {
    const faults = await faultsIn(text)
    expect(faults.length).toBeGreaterThan(0)
    expect(faults.map(line).join('\n')).not.toContain('hunter2')
  })

  it('in broken TOML is not quoted by a fault', async () => {
    for (const text of ['state = "hunter2" x', 'state = "hunter2', 'state = hunter2']) {
      const loading = loadText(text, {}, 'holdfast.toml')
      const error = await loading.then(
        () => null,
        (cause: unknown) => cause,
      )
      expect(inspect(error) + JSON.stringify(reportOf(error))).not.toContain('hunter2')
    }
  })

  it('changes no fingerprint', async () => {
    const target = (secret: string) =>
      loadText(`targets: { t: { type: s3, bucket: b, secret_access_key: ${secret} } }`)
    const [one, two] = [await target('first'), await target('second')]
    expect(one.targets[0]?.fingerprint).toBe(two.targets[0]?.fingerprint)
  })
})

describe('a `_file` twin', () => {
  it('gives the secret without its last line break, and is among the files read', async () => {
    await using folder = await makeFolder()
    await folder.write('hook', 'https://example.com/x\n')
    const path = await folder.write(
      'holdfast.yml',
      'notify: { w: { type: webhook, url_file: hook } }',
    )
    const desired = await loadConfig({ path, env: {}, cwd: '/' })
    expect(revealed(desired.channels[0]?.options.url)).toBe('https://example.com/x')
    expect(desired.channels[0]?.options).not.toHaveProperty('url_file')
    // A vardo.secrets.yml that may come later is watched, too.
    const later = join(folder.path, 'vardo.secrets.yml')
    expect(desired.origin.files).toEqual([path, later, join(folder.path, 'hook')])
  })

  it('beside its secret is a fault', async () => {
    const text = 'notify:\n  w: { type: webhook, url: "https://x", url_file: /etc/hostname }'
    const [fault] = await faultsIn(text)
    expect(fault).toMatchObject({ at: 'holdfast.yml:2:41', path: 'notify.w.url_file' })
    expect(fault?.message).toBe('"url" and "url_file" are both set')
  })

  it('that is missing or empty is a fault at its place', async () => {
    await using folder = await makeFolder()
    await folder.write('empty', '\n')
    const text =
      'notify:\n  a: { type: ping, url_file: nowhere }\n  b: { type: ping, url_file: empty }'
    const path = await folder.write('holdfast.yml', text)
    const faults = await faultsOf(loadConfig({ path, env: {}, cwd: folder.path }))
    expect(faults.map(({ at }) => at)).toEqual(['holdfast.yml:2:30', 'holdfast.yml:3:30'])
    expect(faults[0]?.message).toContain('cannot read the secret')
    expect(faults[1]?.message).toContain('is empty')
  })
})

describe('vardo.secrets.yml', () => {
  it('is merged section by section, its keys winning in whatever spelling', async () => {
    await using folder = await makeFolder()
    const backup = 'backup: { type: s3, bucket: b, accessKey: old, region: eu }'
    const path = await folder.write('vardo.yml', backup)
    const secrets = await folder.write(
      'vardo.secrets.yml',
      'authSecret: x\nencryptionKey: y\nemail: { apiKey: z }\nbackup: { access_key: new, secretKey: s }',
    )
    const desired = await loadConfig({ path: null, env: {}, cwd: folder.path })
    const [target] = desired.targets
    expect(revealed(target?.options.access_key_id)).toBe('new')
    expect(revealed(target?.options.secret_access_key)).toBe('s')
    expect(target?.options.region).toBe('eu')
    expect(desired.origin.files).toEqual([path, secrets])
  })

  it('has faults at its own places, after those of the config', async () => {
    await using folder = await makeFolder()
    await folder.write('vardo.yml', `jobs:\n  a: { source: ${SOURCE}, first_run: soon }`)
    await folder.write('vardo.secrets.yml', '# c\nbakup: { accessKey: hunter2 }')
    const faults = await faultsOf(loadConfig({ path: null, env: {}, cwd: folder.path }))
    expect(faults.map(({ at }) => at)).toEqual(['vardo.yml:2:65', 'vardo.secrets.yml:2:1'])
  })
})

describe('the environment', () => {
  it('may hold an address of Redis that is none, and is told why', async () => {
    const env = {
      HOLDFAST_STATE: 'postgres://hunter2@h/db',
      HOLDFAST_REDIS_URL: 'sentinel://:hunter2@h',
    }
    expect((await faultsIn('state: sqlite', env)).map(line)).toEqual([
      'HOLDFAST_REDIS_URL redis: is no address of Redis: must end with the name of the primary: sentinel://host1,host2,host3/mymaster',
    ])
  })

  it('wins over the file for state and redis, and is not quoted', async () => {
    const env = {
      HOLDFAST_STATE: 'postgres://hunter2@h/db',
      HOLDFAST_REDIS_URL: 'nonsense-hunter2',
    }
    const faults = await faultsIn('state: sqlite\nredis_file: /nowhere', env)
    expect(faults.map(line)).toEqual([
      'HOLDFAST_REDIS_URL redis: must be an address that begins with redis://, rediss:// or sentinel://',
    ])
    const desired = await loadText('data_dir: /x', { HOLDFAST_STATE: env.HOLDFAST_STATE })
    expect(desired.state).toEqual({
      kind: 'postgres',
      url: new Secret(env.HOLDFAST_STATE),
      direct: null,
    })
    expect(JSON.stringify(desired)).not.toContain('hunter2')
  })
})
