// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the config's own syntax
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HIQLITE_VARIABLES } from '../../src/config/hiqlite-settings.ts'
import { type LoadRequest, loadConfig } from '../../src/config/load.ts'
import { readSchema } from '../../src/config/schema.ts'
import { showConfig } from '../../src/config/show.ts'
import type { Desired, DesiredJob } from '../../src/core/model.ts'
import { nextSlot } from '../../src/core/schedule.ts'
import { iso } from '../../src/lib/time.ts'
import { faultsIn, faultsOf, line, loadText, makeFolder, NOW, revealed } from './support.ts'

const DAY = 86_400_000
const KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
const OTHER = 'ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8='
const ZONE = { TZ: 'Europe/Berlin' }

const NODE = '[hiqlite]\nnode_id = 1'
const BUCKET = [
  NODE,
  's3_url = "https://s3.example.com"',
  's3_bucket = "b"',
  's3_region = "r"',
  's3_key = "k"',
  's3_secret = "s"',
  `enc_keys = ["one/${KEY}"]`,
  'enc_key_active = "one"',
].join('\n')

const load = (text: string, env = {}) => loadText(text, { ...ZONE, ...env }, 'hiqlite.toml')

async function lines(text: string, env = {}): Promise<readonly string[]> {
  return (await faultsIn(text, { ...ZONE, ...env }, 'hiqlite.toml')).map(line)
}

async function jobOf(text: string, env = {}): Promise<DesiredJob> {
  const [job] = (await load(text, env)).jobs
  if (job === undefined) throw new Error('no job')
  return job
}

/** Loads a file out of a folder of its own. */
function loadIn(path: string, env = {}, more: Partial<LoadRequest> = {}): Promise<Desired> {
  return loadConfig({ path, env: { ...ZONE, ...env }, cwd: '/elsewhere', now: NOW, ...more })
}

describe("Hiqlite's table", () => {
  it("becomes a job that writes where Hiqlite writes, under Hiqlite's names", async () => {
    const { targets, jobs } = await load(BUCKET)
    expect(targets).toMatchObject([
      {
        id: 'hiqlite-local',
        kind: 'local',
        options: { path: '/etc/holdfast/data/state_machine/backups' },
      },
      {
        id: 'hiqlite-s3',
        kind: 's3',
        options: { endpoint: 'https://s3.example.com', bucket: 'b', region: 'r', prefix: '' },
      },
    ])
    expect(jobs).toMatchObject([
      {
        id: 'hiqlite',
        path: 'backup_node_1_{unix}.sqlite',
        compression: { kind: 'none' },
        encryption: null,
        require: 1,
        sources: [{ kind: 'hiqlite', name: 'hiqlite', group: 'system/hiqlite/hiqlite' }],
        targets: [
          { target: 'hiqlite-local', encryption: null, prunedAfter: 'hiqlite-s3' },
          { target: 'hiqlite-s3', encryption: { scheme: 'cryptr', active: 'one' } },
        ],
      },
    ])
  })

  it('stays on this machine without an address of a bucket, and needs no key then', async () => {
    const { targets, jobs } = await load(NODE)
    expect(targets.map(({ id }) => id)).toEqual(['hiqlite-local'])
    expect(jobs[0]).toMatchObject({ require: 1, targets: [{ target: 'hiqlite-local' }] })
    expect(jobs[0]?.targets[0]).not.toHaveProperty('prunedAfter')
  })

  it('has the defaults of its documents', async () => {
    const job = await jobOf(BUCKET)
    expect(job.schedule).toEqual({
      cron: '0 30 2 * * * *',
      timezone: 'Europe/Berlin',
      dialect: 'cron-crate',
    })
    expect(job.targets.map(({ retention }) => retention)).toMatchObject([
      { keepAll: false, keepWithin: 3 * DAY, keepAtLeast: 1 },
      { keepAll: false, keepWithin: 30 * DAY, keepAtLeast: 1 },
    ])
    expect(job.sources[0]?.options).toEqual({
      data_dir: '/etc/holdfast/data',
      filename_db: 'hiqlite.db',
      node_id: 1,
      nodes: 1,
      skip_validation: false,
    })
  })

  it.each([
    ['"30d"', 30 * DAY],
    ['"2w"', 14 * DAY],
    ['"36 H"', 1.5 * DAY],
    ['"90000"', 90_000_000],
    ['86400', DAY],
  ])('keeps for an age as newer versions write it: %s', async (age, millis) => {
    const job = await jobOf(`${BUCKET}\nbackup_keep_for = ${age}`, {
      HQL_BACKUP_KEEP_FOR_LOCAL: '5d',
    })
    expect(job.targets.map(({ retention }) => retention.keepWithin)).toEqual([5 * DAY, millis])
  })

  it('takes no age in two ways, as no version of Hiqlite does', async () => {
    const text = `${NODE}\nbackup_keep_days_local = 3\nbackup_keep_for_local = "3d"\nbackup_keep_for = "ever"`
    expect(await lines(text)).toEqual([
      'hiqlite.toml:3:26 hiqlite.backup_keep_days_local: and backup_keep_for_local are both set (keep the one that your version of Hiqlite reads)',
      'hiqlite.toml:5:19 hiqlite.backup_keep_for: must be an age like 30d, 12h or 2w, or a number of seconds',
    ])
  })

  it('keeps one backup where it would keep none', async () => {
    const job = await jobOf(`${NODE}\nbackup_keep_days_local = 0`)
    expect(job.targets[0]?.retention).toMatchObject({ keepWithin: 0, keepAtLeast: 1 })
  })

  it('has its slots in the local zone, with Sunday as 1, and says so', async () => {
    const desired = await load(`${NODE}\nbackup_cron = "0 30 2 * * 1"`)
    const [job] = desired.jobs
    const slot = job?.schedule && nextSlot(job.schedule, NOW)
    expect(slot && iso(slot)).toBe('2026-11-22T01:30:00.000Z')
    expect(desired.notices).toEqual([
      'hiqlite.backup_cron: its times are those of Europe/Berlin, the local time zone; TZ sets another',
    ])
  })

  it('tells every channel of the system of its job, and none of an organization', async () => {
    const text = [
      NODE,
      '[notify.ops]\ntype = "webhook"\nurl = "https://h/x"',
      '[organizations.acme.notify.them]\ntype = "webhook"\nurl = "https://h/y"',
    ].join('\n')
    expect((await jobOf(text)).notify).toEqual([{ channel: 'ops', on: ['failure'] }])
  })

  it('gives no other job a place in its folder or its bucket', async () => {
    const job = '[jobs.a]\nsource = { type = "directory", path = "/srv/a" }'
    expect((await load(`${BUCKET}\n${job}`)).jobs[0]?.noTarget).toContain('none is declared')
    expect(await lines(`${BUCKET}\n${job}\ntarget = "hiqlite-s3"`)).toEqual([
      'hiqlite.toml:12:10 jobs.a.target: unknown target "hiqlite-s3" (declare it under "targets")',
    ])
  })

  it('keeps the names of what it makes for itself', async () => {
    const text = [
      NODE,
      '[targets.hiqlite-local]\ntype = "local"\npath = "/b"',
      '[jobs.hiqlite]\nsource = { type = "directory", path = "/srv/a" }',
    ].join('\n')
    expect(await lines(text)).toEqual([
      'hiqlite.toml:3:10 targets.hiqlite-local: this name belongs to what "hiqlite" makes',
      'hiqlite.toml:6:7 jobs.hiqlite: this name belongs to what "hiqlite" makes',
    ])
  })

  it('is one only', async () => {
    expect(await lines(`${NODE}\n[cluster]\nnode_id = 1`)).toEqual([
      'hiqlite.toml:3:2 cluster: stands beside "hiqlite", and both are Hiqlite\'s table (keep one of the two)',
    ])
  })
})

describe('what is wrong in the table', () => {
  it('is told with its place, all at once, and with what was probably meant', async () => {
    const text = [
      NODE,
      'backup_keep_dayz = 3',
      'backup_keep_days = "30"',
      'backup_keep_days_local = -1',
      'backup_cron = "0 30 2 * * 0"',
      'filename_db = "a/b.db"',
      'dataDir = "x"',
    ].join('\n')
    expect(await lines(text)).toEqual([
      'hiqlite.toml:3:1 hiqlite.backup_keep_dayz: unknown key "backup_keep_dayz" (did you mean "backup_keep_days"?)',
      'hiqlite.toml:4:20 hiqlite.backup_keep_days: must be a number of days from 0 to 65535',
      'hiqlite.toml:5:26 hiqlite.backup_keep_days_local: must be a number of days from 0 to 65535',
      'hiqlite.toml:6:15 hiqlite.backup_cron: "0 30 2 * * 0" is no cron pattern: day of week "0" has to be from 1 to 7, Sunday is 1 ' +
        '(sec min hour day_of_month month day_of_week year, Sunday is 1: "0 30 2 * * * *" is 02:30 every day)',
      'hiqlite.toml:7:15 hiqlite.filename_db: must be the name of a file, without a directory',
      'hiqlite.toml:8:1 hiqlite.dataDir: unknown key "dataDir" (did you mean "data_dir"?)',
    ])
  })

  it('names the key and the variable that a bucket needs', async () => {
    const text = `${NODE}\ns3_url = "https://s3.example.com"`
    const needed = ['bucket', 'region', 'key', 'secret'].map((key) => `s3_${key}`)
    const variables = ['HQL_S3_BUCKET', 'HQL_S3_REGION', 'HQL_S3_KEY', 'HQL_S3_SECRET']
    const all = [...needed, 'enc_keys', 'enc_key_active']
    const set = [...variables, 'ENC_KEYS', 'ENC_KEY_ACTIVE']
    expect(await lines(text)).toEqual(
      all.map(
        (key, index) =>
          `hiqlite.toml:3:10 hiqlite.${key}: "${key}" is missing, and a bucket needs it (set it, or ${set[index]})`,
      ),
    )
  })

  it('is an address that is none, and a node that is not there', async () => {
    expect(await lines(BUCKET.replace('https://s3', 'ftp://s3'))).toEqual([
      'hiqlite.toml:3:10 hiqlite.s3_url: must be an address that begins with http:// or https://',
    ])
    expect(await lines(NODE.replace('1', '4'))).toEqual([
      'hiqlite.toml:2:11 hiqlite.node_id: there is no node 4: "nodes" names 1',
    ])
    expect(await lines('[hiqlite]')).toEqual([
      'hiqlite.toml:1:2 hiqlite.node_id: is missing: backups are named after their node ' +
        '(set it, or HQL_NODE_ID, or node_id_from = "k8s")',
    ])
  })

  it('is told of keys without quoting one', async () => {
    const faults = await lines(BUCKET.replace(KEY, 'c2hvcnQ='))
    expect(faults).toEqual([
      'hiqlite.toml:8:1 hiqlite.enc_keys: line 1: the key after the slash has to be 32 bytes in base64, padded (a key is written id/base64)',
    ])
    expect(await lines(BUCKET.replace('"one"', '"two"'))).toEqual([
      'hiqlite.toml:9:18 hiqlite.enc_key_active: is the id of none of the keys (known ids: one)',
    ])
    expect(await lines(BUCKET.replace(`"one/${KEY}"`, ''))).toEqual([
      'hiqlite.toml:8:1 hiqlite.enc_keys: holds no key (a key is written id/base64)',
    ])
  })
})

describe('the environment', () => {
  it('wins over the file, for every key that is about backups', async () => {
    const env = {
      HQL_DATA_DIR: '/srv/node',
      HQL_FILENAME_DB: 'other.db',
      HQL_NODE_ID: '3',
      HQL_NODES: '1 a:1 a:2\n\n2 b:1 b:2\n 3 c:1 c:2',
      HQL_BACKUP_CRON: '0 0 5 * * *',
      HQL_BACKUP_KEEP_DAYS: '90',
      HQL_BACKUP_KEEP_DAYS_LOCAL: '7',
      HQL_S3_URL: 'http://minio:9000',
      HQL_S3_BUCKET: 'theirs',
      HQL_S3_REGION: 'minio',
      HQL_S3_PATH_STYLE: 'false',
      HQL_S3_KEY: 'env-key',
      HQL_S3_SECRET: 'env-secret',
      ENC_KEYS: `one/${KEY}\n two/${OTHER} \n`,
      ENC_KEY_ACTIVE: 'two',
      HQL_BACKUP_SKIP_VALIDATION: 'true',
    }
    const { targets, jobs } = await load(BUCKET, env)
    const [job] = jobs
    const [local, remote] = targets
    expect(local?.options.path).toBe('/srv/node/state_machine/backups')
    expect(remote?.options).toMatchObject({
      endpoint: 'http://minio:9000',
      bucket: 'theirs',
      region: 'minio',
      path_style: false,
    })
    expect(revealed(remote?.options.access_key_id)).toBe('env-key')
    expect(revealed(remote?.options.secret_access_key)).toBe('env-secret')
    expect(job?.path).toBe('backup_node_3_{unix}.sqlite')
    expect(job?.schedule?.cron).toBe('0 0 5 * * *')
    expect(job?.sources[0]?.options).toEqual({
      data_dir: '/srv/node',
      filename_db: 'other.db',
      node_id: 3,
      nodes: 3,
      skip_validation: true,
    })
    expect(job?.targets.map(({ retention }) => retention.keepWithin)).toEqual([7 * DAY, 90 * DAY])
    const closed = job?.targets[1]?.encryption
    const keys = closed?.scheme === 'cryptr' ? closed.keys : []
    expect(closed).toMatchObject({ scheme: 'cryptr', active: 'two' })
    expect(keys.map(({ id, key }) => [id, key.reveal()])).toEqual([
      ['one', KEY],
      ['two', OTHER],
    ])
  })

  it('says nothing where it is empty', async () => {
    const job = await jobOf(NODE, { HQL_BACKUP_CRON: '', HQL_S3_URL: '', HQL_NODE_ID: '' })
    expect(job.schedule?.cron).toBe('0 30 2 * * * *')
    expect(job.targets).toHaveLength(1)
  })

  it('is at fault where it is malformed, and not taken for the default; it is not quoted', async () => {
    const env = {
      HQL_BACKUP_KEEP_DAYS: '30 days',
      HQL_NODE_ID: 'x1',
      HQL_BACKUP_CRON: 'at-night',
      HQL_S3_PATH_STYLE: 'yes',
    }
    const faults = await lines(BUCKET, env)
    expect(faults.map((one) => one.split(' (')[0]).sort()).toEqual([
      'HQL_BACKUP_CRON hiqlite.backup_cron: is no usable schedule',
      'HQL_BACKUP_KEEP_DAYS hiqlite.backup_keep_days: must be a number of days from 0 to 65535',
      'HQL_NODE_ID hiqlite.node_id: must be a whole number from 1 on',
      'HQL_S3_PATH_STYLE hiqlite.s3_path_style: must be true or false',
    ])
    expect(faults.join()).not.toContain('at-night')
  })

  it('asks for a restore by itself, never by a .env that Hiqlite would read as well', async () => {
    await using folder = await makeFolder()
    const path = await folder.write('hiqlite.toml', NODE)
    await folder.write('.env', 'HQL_BACKUP_RESTORE=\n')
    expect((await loadIn(path)).jobs).toHaveLength(1)
    await folder.write('.env', 'HQL_BACKUP_RESTORE=s3:latest\n')
    const asked = { HQL_BACKUP_RESTORE: 's3:latest' }
    for (const env of [{}, asked]) {
      await expect(loadIn(path, env)).rejects.toThrow(
        'HQL_BACKUP_RESTORE: stands in a file that each start reads',
      )
    }
  })

  it('names the node after its host where it is told to', async () => {
    await using folder = await makeFolder()
    const text = '[hiqlite]\nnode_id_from = "k8s"\nnodes = ["1 a b", "2 c d", "3 e f"]'
    const path = await folder.write('hiqlite.toml', text)
    const named = async (hostname: string) => (await loadIn(path, {}, { hostname })).jobs[0]?.path
    expect(await named('rauthy-0')).toBe('backup_node_1_{unix}.sqlite')
    expect(await named('my-rauthy-2')).toBe('backup_node_3_{unix}.sqlite')
    expect((await faultsOf(loadIn(path, {}, { hostname: 'laptop' }))).map(line)).toEqual([
      `${path}:2:16 hiqlite.node_id_from: is "k8s", and no number ends the name of this host, laptop`,
    ])
    const checked = await loadIn(path, {}, { hostname: 'laptop', unset: 'leave' })
    expect(checked.notices.join()).toContain('no number ends the name of this host')
  })

  it('is filled up by a .env beside the file, which is watched before it is there', async () => {
    await using folder = await makeFolder()
    const path = await folder.write('hiqlite.toml', BUCKET)
    expect((await loadIn(path)).origin.files).toContain(join(folder.path, '.env'))
    const words = `ENC_KEYS="\none/${KEY}\ntwo/${OTHER}\n"\nENC_KEY_ACTIVE=two\nHQL_BACKUP_KEEP_DAYS=9`
    await folder.write('.env', words)
    const { jobs } = await loadIn(path, { HQL_BACKUP_KEEP_DAYS: '8' })
    expect(jobs[0]?.targets[1]).toMatchObject({
      retention: { keepWithin: 8 * DAY },
      encryption: { active: 'two', keys: [{ id: 'one' }, { id: 'two' }] },
    })
  })
})

describe('the secrets file', () => {
  const text = BUCKET.replace('"k"', '"$SECRETS"')
    .replace('"s"', '"$SECRETS"')
    .replace(`["one/${KEY}"]`, '"$SECRETS"')
    .concat('\nsecrets_file = "secrets/hiqlite.toml"')

  it('holds what is $SECRETS in the table, under the same names', async () => {
    await using folder = await makeFolder()
    const path = await folder.write('hiqlite.toml', text)
    const secrets = `[hiqlite]\ns3_key = "a"\ns3_secret = "b"\nenc_keys = ["one/${KEY}"]`
    const file = await folder.write('secrets/hiqlite.toml', secrets)
    const { targets, jobs, origin } = await loadIn(path)
    expect(revealed(targets[1]?.options.access_key_id)).toBe('a')
    expect(revealed(targets[1]?.options.secret_access_key)).toBe('b')
    expect(jobs[0]?.targets[1]?.encryption).toMatchObject({ keys: [{ id: 'one' }] })
    expect(origin.files).toContain(file)
  })

  it('is at fault when it is not there, has no such table, or lacks a key', async () => {
    await using folder = await makeFolder()
    const path = await folder.write('hiqlite.toml', text)
    const faults = async () =>
      (await faultsOf(loadIn(path))).map(({ path: at, message }) => `${at}: ${message}`)
    expect((await faults()).join()).toMatch(/^hiqlite.secrets_file: cannot read the secrets file: /)
    await folder.write('secrets/hiqlite.toml', '[cluster]\n')
    expect(await faults()).toEqual([
      'hiqlite.secrets_file: the secrets file has no table [hiqlite]',
    ])
    await folder.write('secrets/hiqlite.toml', '[hiqlite]\ns3_key = "a"\ns3_secret = "b"')
    expect(await faults()).toEqual([
      'hiqlite.enc_keys: is $SECRETS, and the secrets file has no "enc_keys" in [hiqlite]',
    ])
  })

  it('may be elsewhere for who only looks at the file', async () => {
    await using folder = await makeFolder()
    const path = await folder.write('hiqlite.toml', text)
    const { targets, notices } = await loadIn(path, {}, { unset: 'leave' })
    expect(targets).toHaveLength(2)
    expect(notices.join('\n')).toMatch(/cannot read the secrets file: .*; taken as unknown/)
  })

  it('is not read while there is no bucket that its keys would be for', async () => {
    const job = await jobOf(text.replace(/s3_url.*/, ''))
    expect(job.targets).toHaveLength(1)
  })

  it('is needed once a key is $SECRETS', async () => {
    const alone = text.replace(/\nsecrets_file.*/, '')
    expect(await lines(alone)).toEqual([
      'hiqlite.toml:1:2 hiqlite.secrets_file: a key is $SECRETS, and no secrets file is named',
    ])
  })
})

describe('a whole file of another program', () => {
  it.each([
    ['config.toml', 'rauthy'],
    ['hiqlite.toml', 'hiqlite'],
  ])('%s loads unchanged, as its golden file says', async (name, golden) => {
    await using folder = await makeFolder()
    const text = await readFile(new URL(`hiqlite/${name}`, import.meta.url), 'utf8')
    const path = await folder.write(name, text)
    const desired = await loadConfig({ path, env: ZONE, cwd: folder.path, now: NOW })
    const shown = JSON.stringify(showConfig(desired), null, 2).replaceAll(folder.path, '<folder>')
    expect(shown).not.toMatch(/secret-of-the-bucket|key-of-the-bucket|AAECAw|ICEiIy/)
    await expect(`${shown}\n`).toMatchFileSnapshot(`golden/${golden}.txt`)
  })

  it('is found where it lies', async () => {
    await using folder = await makeFolder()
    const path = await folder.write('config.toml', `[server]\nport = 1\n${NODE}`)
    const found = await loadConfig({ path: null, env: ZONE, cwd: folder.path, now: NOW })
    expect(found.origin.path).toBe(path)
  })

  it('expands nothing in the table, and takes its values as they stand', async () => {
    const text = BUCKET.replace('"s"', () => '"${HOME}$${x}"')
    const { targets } = await load(text, { HOME: '/root' })
    expect(revealed(targets[1]?.options.secret_access_key)).toBe('${HOME}$${x}')
  })

  it("has Rauthy's keys, and our own encryption where it is ours", async () => {
    const keys = `[encryption]\nkeys = ["two/${OTHER}"]\nkey_active = "two"`
    const cluster = BUCKET.replace('[hiqlite]', '[cluster]')
    const rauthy = await load(`${cluster}\n${keys}`)
    expect(rauthy.encryption).toBeNull()
    expect(rauthy.jobs[0]?.targets[1]?.encryption).toMatchObject({
      active: 'two',
      keys: [{ id: 'two' }],
    })
    const ours = await load(`${cluster}\n[encryption]\nrecipients = ["age1x"]`)
    expect(ours.encryption).toMatchObject({ scheme: 'age' })
    expect(ours.jobs[0]?.targets[0]?.encryption).toBeNull()
    expect(ours.jobs[0]?.targets[1]?.encryption).toMatchObject({ active: 'one' })
  })

  it("is told of faults in Rauthy's keys by the names that Rauthy has for them", async () => {
    const cluster = BUCKET.replace('[hiqlite]', '[cluster]').replace(/^enc_key.*\n/gm, '')
    const at = async (keys: string) =>
      (await lines(`${cluster}\n[encryption]\n${keys}`)).map((line) => line.split(' ')[1])
    expect(await at('keys = [17]\nkey_active = true')).toEqual([
      'encryption.keys[0]:',
      'encryption.key_active:',
    ])
    expect(await at(`keys = ["two/c2hvcnQ="]\nkey_active = "two"`)).toEqual(['encryption.keys:'])
    expect(await at(`keys = ["two/${OTHER}"]\nkey_active = "one"`)).toEqual([
      'encryption.key_active:',
    ])
  })

  it('makes no job of the table when Rauthy runs on PostgreSQL, and says what to write', async () => {
    const text = `${NODE.replace('hiqlite', 'cluster')}\n[database]\nhiqlite = false`
    const { jobs, targets, notices } = await load(text)
    expect([jobs, targets]).toEqual([[], []])
    expect(notices[0]).toContain('source of type postgres')
  })

  it('leaves sections of an unknown program alone, and names misspellings of ours', async () => {
    const text = `${NODE}\n[my_application]\nx = 1\n`
    expect((await load(text)).notices).toContain("left alone, as another program's: my_application")
    const faults = await faultsIn(`${text}[target.t]\ntype = "local"`, ZONE, 'config.toml')
    expect(faults.map(({ hint }) => hint)).toEqual(['did you mean "targets"?'])
  })
})

describe('the page about Hiqlite', () => {
  const page = readFile(new URL('../../docs/compat-hiqlite.md', import.meta.url), 'utf8')

  it('has files that load as they stand', async () => {
    const blocks = [...(await page).matchAll(/```toml\n(.*?)```/gs)].map(([, text = '']) => text)
    const loaded = await Promise.all(blocks.map((text) => load(text)))
    expect(loaded.map(({ jobs }) => jobs.map(({ targets }) => targets.length))).toEqual([[2], [1]])
  })

  it('names every key of the table, with the variable that wins over it', async () => {
    const text = await page
    const keys = Object.keys(readSchema().$defs?.hiqlite?.properties ?? {})
    expect(keys.length).toBeGreaterThan(40)
    expect(keys.filter((key) => !text.includes(`\`${key}\``))).toEqual([])
    for (const [key, variable] of Object.entries(HIQLITE_VARIABLES)) {
      expect(keys).toContain(key)
      expect(text).toContain(`| \`${key}\` | \`${variable}\``)
    }
  })
})
