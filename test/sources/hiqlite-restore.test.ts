import { execFileSync } from 'node:child_process'
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { ArchiveDamaged, RestoreFailed } from '../../src/lib/errors.ts'
import { exists } from '../../src/platform/files.ts'
import { DEFAULT_META } from '../../src/sources/hiqlite/meta.ts'
import { hiqlite } from '../../src/sources/hiqlite.ts'
import type { RestoreTask, SourceContext, Staged } from '../../src/sources/source.ts'
import { fill, restoreFrom, taskOf } from '../contract/source.ts'
import { addMeta, LIVE_META, makeNode, metaOf } from '../support/hiqlite.ts'
import { mountTmpfs } from '../support/mounts.ts'
import { elsewhere, end, examine, HOLDER, makeDatabase, whileIt } from '../support/sqlite.ts'

const NEVER = new AbortController().signal
const PREVIOUS = '.holdfast-previous-token'

let folder = ''
let dataDir = ''
let path = ''
/** As Hiqlite makes them: 10 rows, and the default row of _metadata. */
let backup = ''
let context: SourceContext

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-hiqlite-'))
  dataDir = join(folder, 'data')
  backup = join(folder, 'backup_node_1_1700000000.sqlite')
  context = { scratch: folder, leaveOut: [], token: 'token' }
  makeDatabase(backup, 'delete', 10)
  addMeta(backup, DEFAULT_META)
  path = await makeNode(dataDir)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const configured = (options: Options = {}) =>
  hiqlite.configure(section('source', { data_dir: dataDir, ...options }))

const restore = (options: Options = {}, task: Partial<RestoreTask> = {}): Promise<Staged> =>
  restoreFrom(backup, configured(options), taskOf(task), context)

/** Every file in the data_dir, sidecars of the database left aside. */
async function files(root = dataDir): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory() && !/-(wal|shm)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

const OLD = [
  'config.toml',
  'logs/old',
  'logs_cache/old',
  'state_machine/backups/backup_node_1_1700000000.sqlite',
  'state_machine/db/hiqlite.db',
  'state_machine/lock',
  'state_machine/snapshots/old',
  'state_machine_cache/old',
]
/** What a restore leaves where it is. */
const KEPT = ['config.toml', 'state_machine/backups/backup_node_1_1700000000.sqlite']
const SET_ASIDE = OLD.filter((file) => !KEPT.includes(file))
const aside = (names: readonly string[]) => names.map((name) => join(PREVIOUS, name))

describe('hiqlite: a restore into the only node', () => {
  it('leaves the new database, the backups, and nothing that the node knew of its past', async () => {
    const staged = await restore()
    expect(examine(path)).toMatchObject({ rows: 10, integrity: 'ok' })
    expect(metaOf(path)).toBe(DEFAULT_META)
    expect(await files()).toEqual(
      [...aside(SET_ASIDE), ...KEPT, 'state_machine/db/hiqlite.db'].sort(),
    )
    expect(staged.previous).toBe(join(dataDir, PREVIOUS))
    expect(examine(join(dataDir, PREVIOUS, 'state_machine/db/hiqlite.db')).rows).toBe(200)
    expect(staged.warnings).toEqual([])
  })

  it('gives the database the modes that Hiqlite gives it, and the owner that it had', async () => {
    await rm(join(dataDir, 'state_machine/db'), { recursive: true })
    await restore()
    const { uid, gid } = await stat(dataDir)
    for (const at of [path, join(path, '..')]) {
      expect(await stat(at)).toMatchObject({ uid, gid })
      expect((await stat(at)).mode & 0o777).toBe(0o700)
    }
  })

  it.each([
    ['nothing is there', async () => {}],
    ['there is only a config', () => writeFile(join(dataDir, 'config.toml'), '')],
    ['there are only logs', () => mkdir(join(dataDir, 'logs'))],
    ['there is a folder for the lock', () => mkdir(join(dataDir, 'state_machine/lock'), RECURSIVE)],
    ['there are only backups', () => mkdir(join(dataDir, 'state_machine/backups'), RECURSIVE)],
  ])('works when %s', async (_, make) => {
    await rm(dataDir, { recursive: true })
    await mkdir(dataDir)
    await make()
    await restore()
    expect(examine(path)).toMatchObject({ rows: 10, integrity: 'ok' })
    expect(await exists(join(dataDir, 'state_machine/lock'))).toBe(false)
    expect(await exists(join(dataDir, 'logs'))).toBe(false)
  })

  it('makes a data_dir that does not exist, and leaves none when it fails', async () => {
    await rm(dataDir, { recursive: true })
    const source = configured()
    const staging = await source.stage(taskOf({}), context, NEVER)
    await staging.discard()
    expect(await exists(dataDir)).toBe(false)
    const { previous } = await restore()
    expect(previous).toBeNull()
    expect(await files()).toEqual(['state_machine/db/hiqlite.db'])
  })

  it('works when the data_dir is a mount point', async () => {
    await using mount = await mountTmpfs('16m')
    const live = await makeNode(mount.path)
    await restore({ data_dir: mount.path })
    expect(examine(live).rows).toBe(10)
    expect(await exists(join(mount.path, 'logs'))).toBe(false)
  })

  it.each(['logs', 'state_machine', 'state_machine/db'])(
    'is refused before anything when %s is a link or a mount',
    async (part) => {
      const at = join(dataDir, part)
      execFileSync('mount', ['--bind', at, at])
      const mounted = await restore()
        .catch((error: unknown) => error)
        .finally(() => execFileSync('umount', [at]))
      expect(mounted).toBeInstanceOf(RestoreFailed)
      expect(String(mounted)).toContain(`${at} is a mount of its own`)

      await rename(at, join(folder, 'moved'))
      await symlink(join(folder, 'moved'), at)
      const linked = await restore().catch((error: unknown) => error)
      expect(linked).toBeInstanceOf(RestoreFailed)
      expect(String(linked)).toContain(`${at} is a link, which no rename can replace`)
      await rm(at)
      await rename(join(folder, 'moved'), at)
      expect(await files()).toEqual(OLD)
    },
  )

  it('resets the row of a copy that was made of a live database, and says so', async () => {
    addMeta(backup, LIVE_META)
    const { warnings } = await restore()
    expect(metaOf(path)).toBe(DEFAULT_META)
    expect(warnings.join()).toContain('was reset')
  })

  it('goes elsewhere byte for byte, past a node that runs', async () => {
    addMeta(backup, LIVE_META)
    const holder = await elsewhere(path, HOLDER)
    const to = join(folder, 'other/out.sqlite')
    await whileIt(restore({}, { to }), holder)
    expect(metaOf(to)).toBe(LIVE_META)
    expect(await files()).toEqual(OLD)
    await expect(restore({}, { to })).rejects.toThrow('exists already')
  })
})

const RECURSIVE = { recursive: true } as const

describe('hiqlite: what Hiqlite’s own restore gets wrong', () => {
  it('never leaves the lock of a killed node beside a restored database', async () => {
    expect(await exists(join(dataDir, 'state_machine/lock'))).toBe(true)
    await restore()
    expect(await exists(join(dataDir, 'state_machine/lock'))).toBe(false)
  })

  it('never harms a backup that it restores from inside the node’s own backups', async () => {
    const own = join(dataDir, KEPT[1] ?? '')
    await copyFile(backup, own)
    const { size } = await stat(own)
    await restoreFrom(own, configured(), taskOf({}), context)
    expect((await stat(own)).size).toBe(size)
    expect(examine(path).rows).toBe(10)
  })

  it('never touches what is there for an archive that is not good', async () => {
    const spoil: readonly (readonly [() => Promise<void> | void, RegExp])[] = [
      [() => addMeta(backup, null), /has no row meta/],
      [() => addMeta(backup, 'ff'), /cannot be decoded/],
      [
        () => {
          using database = new DatabaseSync(backup)
          database.exec('drop table _metadata')
        },
        /has no table _metadata/,
      ],
      [() => writeFile(backup, ''), /no bytes/],
      [() => writeFile(backup, 'no database'), /does not begin as a SQLite database/],
    ]
    for (const [deed, message] of spoil) {
      await deed()
      const refusal = restore()
      await expect(refusal).rejects.toBeInstanceOf(ArchiveDamaged)
      await expect(refusal).rejects.toThrow(message)
      expect(await files()).toEqual(OLD)
      expect(examine(path).rows).toBe(200)
    }
  })

  it('takes what is no database of Hiqlite when told to, but never a damaged one', async () => {
    await rm(backup)
    makeDatabase(backup, 'delete', 10)
    await expect(restore()).rejects.toThrow('has no table _metadata')
    const { warnings } = await restore({ skip_validation: true })
    expect(warnings.join()).toContain('skip_validation')
    expect(examine(path).rows).toBe(10)
    await writeFile(backup, '')
    const again = { ...context, token: 'again' }
    const source = configured({ skip_validation: true })
    await expect(restoreFrom(backup, source, taskOf({}), again)).rejects.toThrow('no bytes')
    expect(examine(path).rows).toBe(10)
  })
})

describe('hiqlite: a restore into a node that runs', () => {
  it.each([
    ['the only node', {}],
    ['a node of three', { nodes: 3 }],
    ['a node that joins', { nodes: 3, node_id: 2 }],
  ])('is refused for %s, and changes nothing', async (_, options) => {
    const holder = await elsewhere(path, HOLDER)
    try {
      const error: unknown = await restore(options).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(RestoreFailed)
      expect(String(error)).toContain(`is in use by`)
      expect(String(error)).toContain(`(process ${holder.pid})`)
      expect(await files()).toEqual(OLD)
    } finally {
      await end(holder)
    }
  })

  it('is refused when it was started while the archive was read', async () => {
    const source = configured()
    const staging = await source.stage(taskOf({}), context, NEVER)
    await fill(staging, backup)
    const holder = await elsewhere(path, HOLDER)
    try {
      await expect(staging.finish(null, NEVER)).rejects.toThrow('is in use by')
    } finally {
      await end(holder)
    }
    await staging.discard()
    expect(await files()).toEqual(OLD)
  })

  it('says beforehand who has it open, what a lock means, and who has to go on', async () => {
    const said = async (options: Options) =>
      (await configured(options).describe(taskOf({}), NEVER)).remarks.join('\n')
    expect(await said({})).toContain('its lock file is there')
    expect(await said({ nodes: 3 })).toContain('HQL_BACKUP_RESTORE=file:')
    const holder = await elsewhere(path, HOLDER)
    const now = await whileIt(said({}), holder)
    expect(now).toContain(`(process ${holder.pid})`)
  })
})

describe('hiqlite: a restore into a cluster', () => {
  const prepared = 'holdfast-restore/hiqlite.db'

  it('prepares a checked file for node 1, takes its lock away, and says what to do with it', async () => {
    const { summary } = await restore({ nodes: 3 })
    const at = join(dataDir, prepared)
    expect(examine(at).rows).toBe(10)
    expect(metaOf(at)).toBe(DEFAULT_META)
    const untouched = OLD.filter((file) => file !== 'state_machine/lock')
    expect(await files()).toEqual([...untouched, ...aside(['state_machine/lock']), prepared].sort())
    expect(summary).toContain(`start node 1 with HQL_BACKUP_RESTORE=file:${at}`)
  })

  it('replaces what an earlier restore has prepared, also when that is what it reads', async () => {
    await restore({ nodes: 3 })
    const at = join(dataDir, prepared)
    const again = { ...context, token: 'again' }
    const { previous } = await restoreFrom(at, configured({ nodes: 3 }), taskOf({}), again)
    expect(examine(at).rows).toBe(10)
    expect(examine(join(previous ?? '', prepared)).rows).toBe(10)
  })

  it('lets every other node join as a new one, and deletes nothing of it', async () => {
    const { summary } = await restore({ nodes: 3, node_id: 2 })
    expect(await files()).toEqual([...aside(SET_ASIDE), ...KEPT, prepared].sort())
    expect(summary).toContain('node 2 joins as a new one')
    expect(summary).toContain('without HQL_BACKUP_RESTORE')
  })

  it('never sets a node aside for an archive that is not good', async () => {
    await writeFile(backup, 'no database')
    await expect(restore({ nodes: 3, node_id: 2 })).rejects.toBeInstanceOf(ArchiveDamaged)
    expect(await files()).toEqual(OLD)
  })
})

describe('hiqlite: a restore whose process died', () => {
  it('is swept without a trace, and what was moved aside stays', async () => {
    const source = configured()
    const staging = await source.stage(taskOf({}), context, NEVER)
    await fill(staging, backup)
    await staging.finish(null, NEVER)
    await source.sweep({ to: null, token: 'token' })
    expect(await files()).toEqual(OLD)
    expect(await exists(join(dataDir, PREVIOUS))).toBe(false)

    await restore()
    const done = await files()
    await source.sweep({ to: null, token: 'token' })
    expect(await files()).toEqual(done)
    const to = join(folder, 'out.sqlite')
    await cp(backup, join(folder, '.out.sqlite.holdfast-staging-token'))
    await source.sweep({ to, token: 'token' })
    expect(await readdir(folder)).not.toContain('.out.sqlite.holdfast-staging-token')
  })
})
