import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startCeph } from '../services/ceph.ts'
import { makeBucket } from '../services/s3-server.ts'
import { makeLiveDatabase } from '../support/rauthy.ts'
import { examine } from '../support/sqlite.ts'
import { holdfast, makeFolder, type Place, ROOT, succeed } from './support.ts'

const EXAMPLES = join(ROOT, 'examples')
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
    .filter((name) => CONFIGS.includes(name))
    .map((name) => ({ folder, name })),
)

/** A server with the bucket that the example of Rauthy names, and the environment that leads there. */
async function openRauthysBucket() {
  const server = await startCeph()
  const HQL_S3_BUCKET = await makeBucket(server)
  return {
    env: {
      TZ: 'UTC',
      HQL_S3_URL: server.endpoint,
      HQL_S3_BUCKET,
      HQL_S3_KEY: server.accessKey,
      HQL_S3_SECRET: server.secretKey,
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
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
    expect(examples.length).toBe(readdirSync(EXAMPLES).length)
  })

  it.each(examples)(
    '$folder is valid, planned, backed up, verified and restored',
    async ({ folder, name }) => {
      await using temporary = await makeFolder()
      const cwd = join(temporary.path, folder)
      const filter = (from: string) => from !== join(EXAMPLES, 'quickstart', 'run')
      cpSync(join(EXAMPLES, folder), cwd, { recursive: true, filter })
      const exported = join(temporary.path, 'exported')
      writeFileSync(exported, 'all that is in stock\n')
      await using bucket = folder === 'rauthy' ? await openRauthysBucket() : null
      const place: Place = { cwd, env: { EXPORT_FILE: exported, ...bucket?.env } }

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
    await using bucket = await openRauthysBucket()
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
