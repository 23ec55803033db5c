import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CreateBucketCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { KMS_KEY, startCeph } from '../services/ceph.ts'
import { startPostgres } from '../services/postgres.ts'
import { startSentinels } from '../services/redis.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { surroundHa } from '../support/ha.ts'
import { makeLiveDatabase } from '../support/rauthy.ts'
import { examine } from '../support/sqlite.ts'
import { holdfast, makeFolder, type Place, ROOT, succeed } from './support.ts'

const EXAMPLES = join(ROOT, 'examples')
/**
 * One has no config; the others declare no job: test/volume/discovery.test.ts and
 * test/docker/image.test.ts walk through them.
 */
const WITHOUT = ['monitoring', 'docker-host', 'compose']
const CONFIGS = ['vardo.yml', 'holdfast.yml', 'holdfast.toml', 'config.toml']

interface Shown {
  readonly jobs: readonly {
    readonly id: string
    readonly sources: readonly {
      readonly kind: string
      readonly name: string
      readonly options: { readonly path?: string; readonly data_dir?: string }
    }[]
    readonly targets: readonly unknown[]
  }[]
}

const examples = readdirSync(EXAMPLES).flatMap((folder) =>
  readdirSync(join(EXAMPLES, folder))
    .filter((name) => CONFIGS.includes(name) && !WITHOUT.includes(folder))
    .map((name) => ({ folder, name })),
)

/** Examples that back up to a bucket. */
const BUCKETS = ['rauthy', 'wardengate']

/** A server with a bucket, and the environment that leads these examples there. */
async function openBucket() {
  const server = await startCeph()
  const bucket = await makeBucket(server)
  const rauthy = {
    TZ: 'UTC',
    HQL_S3_URL: server.endpoint,
    HQL_S3_BUCKET: bucket,
    HQL_S3_KEY: server.accessKey,
    HQL_S3_SECRET: server.secretKey,
  }
  const wardengate = {
    S3_ENDPOINT: server.endpoint,
    BACKUP_BUCKET: bucket,
    KMS_KEY,
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
  }
  return {
    server,
    bucket,
    env: { ...rauthy, ...wardengate },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** PostgreSQL, Redis under Sentinel and a server with the bucket, and the environment that leads there. */
async function openAllOfHa(folder: string) {
  const [postgres, redis, server] = await Promise.all([
    startPostgres(),
    startSentinels(),
    startCeph(),
  ])
  const [state] = await Promise.all([
    postgres.database(),
    clientOf(server).send(new CreateBucketCommand({ Bucket: 'backups' })),
  ])
  const { url } = redis
  return {
    env: await surroundHa(join(folder, 'secrets'), { ...server, state, redis: url }),
    async [Symbol.asyncDispose]() {
      for (const one of [server, redis, postgres]) await one[Symbol.asyncDispose]()
    },
  }
}

/** Makes what a source is to back up. */
function make(kind: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  if (kind === 'sqlite') {
    using database = new DatabaseSync(path)
    database.exec('create table item (name); insert into item values (1), (2)')
  } else {
    mkdirSync(join(path, 'inner'), { recursive: true })
    writeFileSync(join(path, 'inner', 'file'), 'kept\n')
  }
}

/** Fails unless what lies at `at` is what was backed up. */
function compare(kind: string, path: string | undefined, at: string): void {
  if (kind === 'command') expect(readFileSync(at).length).toBeGreaterThan(0)
  else if (kind === 'hiqlite') expect(examine(at)).toMatchObject({ rows: 2, integrity: 'ok' })
  else if (kind === 'sqlite') {
    using database = new DatabaseSync(at, { readOnly: true })
    expect(database.prepare('select name from item').all().length).toBe(2)
  } else execFileSync('diff', ['-r', path ?? '', at])
}

async function shownBy(place: Place, config: string): Promise<Shown> {
  return JSON.parse(await succeed(['config', 'show', '--json', '--config', config], place))
}

describe('every example', () => {
  it('is found', () => {
    expect(examples.map(({ folder }) => folder)).toEqual(expect.arrayContaining(['quickstart']))
    const found = new Set([...examples.map(({ folder }) => folder), ...WITHOUT])
    expect([...found].toSorted()).toEqual(readdirSync(EXAMPLES).toSorted())
  })

  it.each(examples)(
    '$folder is valid, planned, backed up, verified and restored',
    async ({ folder, name }) => {
      await using temporary = await makeFolder()
      const cwd = join(temporary.path, folder)
      const filter = (from: string) => from !== join(EXAMPLES, folder, 'run')
      cpSync(join(EXAMPLES, folder), cwd, { recursive: true, filter })
      const exported = join(temporary.path, 'exported')
      writeFileSync(exported, 'all that is in stock\n')
      await using bucket = BUCKETS.includes(folder) ? await openBucket() : null
      await using around = folder === 'ha' ? await openAllOfHa(temporary.path) : null
      const env = { EXPORT_FILE: exported, ...bucket?.env, ...around?.env }
      const place: Place = { cwd, env }

      const { jobs } = await shownBy(place, name)
      for (const { kind, options } of jobs.flatMap(({ sources }) => sources)) {
        if (options.data_dir) await makeLiveDatabase(options.data_dir, 2)
        if (kind !== 'command' && options.path) make(kind, options.path)
      }
      await succeed(['validate'], place)
      const offline = await succeed(['plan', '--offline'], place)
      const plan = await succeed(['plan'], place)
      for (const { id } of jobs) {
        expect(offline).toContain(`add job ${id}`)
        expect(plan).toContain(`add job ${id}`)
      }

      await succeed(['backup', 'create'], place)
      await succeed(['backup', 'verify', '--all'], place)
      const { backups } = JSON.parse(await succeed(['backup', 'list', '--json'], place)) as {
        readonly backups: readonly { readonly status: string; readonly verify: string }[]
      }
      const copies = jobs.flatMap(({ sources, targets }) => sources.flatMap(() => targets))
      expect(backups.map(({ status, verify }) => `${status} ${verify}`)).toEqual(
        copies.map(() => 'success ok'),
      )

      for (const { id, sources } of jobs) {
        for (const { kind, name: source, options } of sources) {
          const to = join(temporary.path, `${id.replace('/', '-')}-${source}`)
          await succeed(['restore', `${id}/${source}`, '--to', to], place)
          compare(kind, options.path, to)
        }
      }
      expect(existsSync(join(EXAMPLES, folder, '.holdfast')), 'state in the checkout').toBe(false)
    },
  )
})

describe('the example of Rauthy', () => {
  const EXAMPLE = join(EXAMPLES, 'rauthy')
  const DATABASE = 'data/state_machine/db/hiqlite.db'

  interface Service {
    readonly image: string
    readonly user?: string
    readonly command?: readonly string[]
    readonly environment: Readonly<Record<string, string>>
    readonly volumes: readonly string[]
    readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  }
  const { services } = parse(readFileSync(join(EXAMPLE, 'compose.yml'), 'utf8'), {
    merge: true,
  }) as { readonly services: Readonly<Record<'restore' | 'rauthy' | 'holdfast', Service>> }
  const [, line = '[]'] =
    /^ENTRYPOINT (.*)$/m.exec(readFileSync(join(EXAMPLE, 'entrypoint.Dockerfile'), 'utf8')) ?? []
  const [program, ...entrypoint] = JSON.parse(line) as readonly string[]

  it('restores before Rauthy starts, as its user, and gives the variable to nobody else', () => {
    const { restore, rauthy, holdfast: daemon } = services
    const first = { restore: { condition: 'service_completed_successfully' } }
    expect([rauthy.depends_on, daemon.depends_on]).toEqual([first, first])
    expect([restore.user, daemon.user]).toEqual(['10001:10001', '10001:10001'])
    const given = [restore, rauthy, daemon].map(({ environment }) =>
      Object.keys(environment).includes('HQL_BACKUP_RESTORE'),
    )
    expect(given).toEqual([true, false, false])
    expect(restore.volumes).toEqual(expect.arrayContaining([...rauthy.volumes]))
    expect(daemon.volumes).toEqual(restore.volumes)
    expect(program).toBe('holdfast')
  })

  it('brings its database back from the bucket on another machine, in either way', async () => {
    await using bucket = await openBucket()
    const { env } = bucket
    await using first = await makeFolder()
    cpSync(EXAMPLE, first.path, { recursive: true })
    await makeLiveDatabase(join(first.path, 'data'), 5)
    await succeed(['backup', 'create'], { cwd: first.path, env })
    const asked = { ...env, HQL_BACKUP_RESTORE: 's3:latest' }

    await using second = await makeFolder()
    cpSync(EXAMPLE, second.path, { recursive: true })
    const initStep = services.restore.command ?? []
    await succeed(initStep, { cwd: second.path, env })
    expect(existsSync(join(second.path, DATABASE)), 'nobody asked').toBe(false)
    expect(await succeed(initStep, { cwd: second.path, env: asked })).toContain('restore.done')
    expect(examine(join(second.path, DATABASE))).toMatchObject({ rows: 5, integrity: 'ok' })

    await using third = await makeFolder()
    cpSync(EXAMPLE, third.path, { recursive: true })
    const rauthy = join(third.path, 'rauthy')
    writeFileSync(rauthy, `#!/bin/sh\necho "$1 \${HQL_BACKUP_RESTORE-unset}"; exit 9\n`, {
      mode: 0o755,
    })
    const words = entrypoint.map((word) => (word === '/app/rauthy' ? rauthy : word))
    const ended = await holdfast(words, { cwd: third.path, env: asked })
    expect(ended.code).toBe(9)
    expect(ended.stdout.trim().split('\n').at(-1)).toBe('serve unset')
    expect(examine(join(third.path, DATABASE))).toMatchObject({ rows: 5, integrity: 'ok' })
  })
})

describe('the example of Wardengate', () => {
  const EXAMPLE = join(EXAMPLES, 'wardengate')

  it('writes by day below the prefix, under the key of the key service', async () => {
    await using bucket = await openBucket()
    await using folder = await makeFolder()
    cpSync(EXAMPLE, folder.path, { recursive: true })
    const place = { cwd: folder.path, env: bucket.env }
    make('directory', join(folder.path, 'wardengate', 'recordings'))
    make('sqlite', join(folder.path, 'wardengate', 'vault.db'))
    await succeed(['backup', 'create'], place)

    const client = clientOf(bucket.server)
    const at = { Bucket: bucket.bucket }
    const { Contents = [] } = await client.send(new ListObjectsV2Command(at))
    const archives = Contents.flatMap(({ Key = '' }) => (Key.endsWith('.zst') ? Key : []))
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '/')
    expect(archives.map((key) => key.replace(/-\d{4}-.*Z/, ''))).toEqual([
      `production/${today}/recordings.tar.zst`,
      `production/${today}/vault.db.sqlite.zst`,
    ])
    for (const Key of archives) {
      const head = await client.send(new HeadObjectCommand({ ...at, Key }))
      expect(head).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KMS_KEY })
    }
  })

  it('is applied as the target alone, says what it did, and finds nothing more to do', async () => {
    await using bucket = await openBucket()
    await using folder = await makeFolder()
    const text = readFileSync(join(EXAMPLE, 'backup-target.yaml'), 'utf8')
      .replace('bucket: wg-backups', `bucket: ${bucket.bucket}`)
      .replace('type: s3', `type: s3\n  endpoint: ${bucket.server.endpoint}`)
    writeFileSync(join(folder.path, 'backup-target.yaml'), text)
    const place = { cwd: folder.path, env: bucket.env }
    const apply = ['apply', '-f', 'backup-target.yaml', '--yes']
    const said = await succeed(apply, place)
    expect(said).toContain('+ add target primary')
    expect(said).toContain('done: the world is as the file says')
    expect(said).not.toContain('target-unreachable')
    expect(await succeed(apply, place)).toContain('nothing to do')
  })

  it('says so when the target alone could not be looked at', async () => {
    await using folder = await makeFolder()
    const text = readFileSync(join(EXAMPLE, 'backup-target.yaml'), 'utf8')
    const away = text.replace('type: s3', 'type: s3\n  endpoint: http://127.0.0.1:1')
    writeFileSync(join(folder.path, 'backup-target.yaml'), away)
    const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
    const place = { cwd: folder.path, env }
    const apply = ['apply', '-f', 'backup-target.yaml', '--yes']
    expect(await succeed(apply, place)).toContain('but primary could not be looked at')
    expect(await succeed(apply, place)).toContain('but primary could not be looked at')
  })
})

describe('the file that config init writes', () => {
  it('is valid, planned and backed up as it stands', async () => {
    await using folder = await makeFolder()
    const place = { cwd: folder.path }
    make('directory', join(folder.path, 'data'))
    await succeed(['config', 'init'], place)
    await succeed(['validate'], place)
    await succeed(['plan'], place)
    await succeed(['backup', 'create'], place)
    const again = await holdfast(['config', 'init'], place)
    expect(again.code, 'it overwrites nothing').toBe(1)
  })
})
