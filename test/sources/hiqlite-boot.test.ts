import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exists } from '../../src/platform/files.ts'
import { DEFAULT_META } from '../../src/sources/hiqlite/meta.ts'
import { startDaemon } from '../support/daemon.ts'
import { addMeta, LIVE_META, makeNode, metaOf } from '../support/hiqlite.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { elsewhere, end, examine, HOLDER, makeDatabase } from '../support/sqlite.ts'

let space: Workspace
/** The live database. */
let path = ''
/** As Hiqlite made it, in the node's own backups. */
let backup = ''

async function cluster(options: object): Promise<void> {
  space = await makeWorkspace(
    JSON.stringify({
      data_dir: 'state',
      targets: { here: { type: 'local', path: 'target' } },
      jobs: { rauthy: { source: { type: 'hiqlite', data_dir: 'node', ...options } } },
    }),
  )
  await mkdir(space.at('node'))
  path = await makeNode(space.at('node'))
  backup = join(space.at('node'), 'state_machine/backups/backup_node_1_1800000000.sqlite')
  makeDatabase(backup, 'delete', 10)
  addMeta(backup, DEFAULT_META)
}

beforeEach(() => {
  path = ''
})
afterEach(() => space[Symbol.asyncDispose]())

const asked = () => ({ env: { HQL_BACKUP_RESTORE: `file:${backup}` } })

describe('hiqlite: a restore at boot', () => {
  it('brings back what Hiqlite backed up beside its data, and keeps the old until a new baseline', async () => {
    await cluster({})
    const { size } = await stat(backup)
    await using daemon = startDaemon(space, asked())
    await daemon.until('daemon.started')
    expect(daemon.events()).toEqual(
      expect.arrayContaining(['restore.verified', 'restore.swapped', 'restore.done']),
    )
    expect(examine(path)).toMatchObject({ rows: 10, integrity: 'ok' })
    expect((await stat(backup)).size).toBe(size)
    expect(await exists(space.at('node/state_machine/lock'))).toBe(false)
    await daemon.until('restore.released')
    expect(Object.keys(await space.files('node')).filter((name) => name.startsWith('.'))).toEqual(
      [],
    )
    await daemon.stop()

    const listed = await space.ok(['backup', 'list', '--json'])
    expect(listed.document.backups[0]).toMatchObject({ source: 'hiqlite', status: 'success' })
    await space.ok(['restore', 'rauthy/hiqlite@latest', '--to', space.at('out.sqlite'), '--yes'])
    expect(metaOf(space.at('out.sqlite'))).toBe(DEFAULT_META)
  })

  it('tells the operator of a cluster what node 1 is to be started with', async () => {
    await cluster({ nodes: 3 })
    await using daemon = startDaemon(space, asked())
    const { message } = await daemon.until('restore.verified')
    expect(message).toContain(
      `HQL_BACKUP_RESTORE=file:${space.at('node/holdfast-restore/hiqlite.db')}`,
    )
    const unset = await daemon.until('restore.unset_env')
    const value = `file:${space.at('node/holdfast-restore/hiqlite.db')}`
    expect(unset.handOver).toBe(value)
    expect(unset.message).toContain(`started with HQL_BACKUP_RESTORE=${value}, once`)
    await daemon.until('daemon.started')
    expect(examine(path).rows).toBe(200)
  })

  it.each([
    [{ nodes: 3 }, 'file:NODE/holdfast-restore/hiqlite.db'],
    [{ nodes: 3, node_id: 2 }, 'unset'],
    [{}, 'unset'],
  ])('hands the rest over to the program of %j as %s', async (options, told) => {
    await cluster(options)
    const script = `echo "{\\"event\\":\\"program\\",\\"message\\":\\"\${HQL_BACKUP_RESTORE-unset} \${HOLDFAST_RESTORE-unset}\\"}"`
    await using program = startDaemon(space, {
      env: { HOLDFAST_RESTORE: `file:${backup}` },
      args: ['restore', '--boot', '--', 'sh', '-c', script],
    })
    const { message } = await program.until('program')
    expect(message).toBe(`${told.replace('NODE', space.at('node'))} unset`)
  })

  it('warns in the log of what it did to the archive', async () => {
    await cluster({})
    addMeta(backup, LIVE_META)
    await using daemon = startDaemon(space, asked())
    const verified = await daemon.until('restore.verified')
    const reset = 'its row of _metadata was reset, as in the backups that Hiqlite makes'
    expect(verified).toMatchObject({ level: 'warn', warnings: [reset] })
    expect(verified.message).toContain(`; ${reset}`)
  })

  it('stops the start while the node runs, its data untouched', async () => {
    await cluster({})
    const holder = await elsewhere(path, HOLDER)
    try {
      await using daemon = startDaemon(space, asked())
      const { message } = await daemon.until('restore.failed')
      expect(message).toContain('is in use by')
      expect(await daemon.ended).toMatchObject({ code: 1 })
    } finally {
      await end(holder)
    }
    expect(examine(path).rows).toBe(200)
  })
})
