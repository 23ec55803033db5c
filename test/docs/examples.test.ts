import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { holdfast, makeFolder, type Place, ROOT, succeed } from './support.ts'

const EXAMPLES = join(ROOT, 'examples')
const CONFIGS = ['vardo.yml', 'holdfast.yml', 'holdfast.toml', 'config.toml']

interface Shown {
  readonly jobs: readonly {
    readonly id: string
    readonly sources: readonly {
      readonly kind: string
      readonly name: string
      readonly options: { readonly path?: string; readonly collect?: string }
    }[]
    readonly targets: readonly unknown[]
  }[]
}

const examples = readdirSync(EXAMPLES).flatMap((folder) =>
  readdirSync(join(EXAMPLES, folder))
    .filter((name) => CONFIGS.includes(name))
    .map((name) => ({ folder, name })),
)

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
      const place: Place = { cwd, env: { EXPORT_FILE: exported } }

      const { jobs } = await shownBy(place, name)
      for (const { kind, options } of jobs.flatMap(({ sources }) => sources)) {
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
