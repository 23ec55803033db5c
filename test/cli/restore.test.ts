import { readdir } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { type Document, filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { elsewhere, end, examine, HOLDER, makeDatabase } from '../support/sqlite.ts'

async function rows(work: Workspace): Promise<readonly Document[]> {
  return (await work.ok(['backup', 'list', '--json'])).document.backups
}

describe('a restore of a directory', () => {
  it('in place keeps what was there and pins its archive, until the next backup succeeds', async () => {
    await using work = await makeWorkspace(
      filesConfig('retention: { keep_last: 1 }\nmax_delete: 100%'),
    )
    await work.write({ 'live/a': 'older' })
    await work.ok(['backup', 'create'])
    await work.write({ 'holdfast.yml': filesConfig(), 'live/a': 'old', 'live/sub/b': 'b' })
    await work.ok(['backup', 'create', '--name', 'good'])
    await work.write({
      'holdfast.yml': filesConfig('retention: { keep_last: 1 }\nmax_delete: 100%'),
    })
    await work.write({ 'live/a': 'new', 'live/added': 'since' })

    // What fails before the swap is not kept for: its pins go at the next chance.
    const failed = await work.run(['restore', 'files', '--only', 'nothing/here', '--yes'])
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/the archive holds no nothing\/here\n {2}hint: .*--contents/),
    ])
    expect(await work.files('live')).toEqual({ a: 'new', added: 'since', 'sub/b': 'b' })

    const shown = await work.ok(['restore', 'files@good', '--yes'])
    expect(shown.stderr).toMatch(/restore system\/files\/live\/.* from shelf/)
    expect(shown.stderr).toMatch(/to .*live, where there is now: directory with 3 entries/)
    expect(await work.files('live')).toEqual({ a: 'old', 'sub/b': 'b' })
    const [previous = ''] = (await readdir(work.root)).filter((name) => name.includes('holdfast-'))
    expect(shown.stdout).toContain(work.at(previous))
    expect(await work.files(previous)).toEqual({ a: 'new', added: 'since', 'sub/b': 'b' })
    expect((await rows(work)).map(({ pinned }) => pinned)).toEqual([true, true])
    expect((await work.ok(['status'])).stdout).toContain(previous)
    const { document } = await work.ok(['plan', '--json'])
    expect(document.actions).toContainEqual(
      expect.objectContaining({
        kind: 'backup',
        because: expect.objectContaining({ rule: 'after-restore' }),
      }),
    )

    const baseline = await work.ok(['backup', 'create'])
    expect(baseline.stderr).toContain('a baseline after the restore of files/live is complete')
    expect((await readdir(work.root)).filter((name) => name.includes('holdfast-'))).toEqual([])
    await work.ok(['backup', 'create'])
    const left = await rows(work)
    expect(left.map(({ pinned }) => pinned)).toEqual([false])
    expect(
      Object.keys(await work.files('shelf')).filter((name) => name.endsWith('.pin.json')),
    ).toEqual([])
  })

  it('takes one file or folder with --only, and another place with --to, but nothing that is in use', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({
      'live/a': 'old',
      'live/sub/b': 'old',
      'live/sub/c': 'old',
      'full/x': 'mine',
    })
    await work.ok(['backup', 'create'])
    await work.write({ 'live/a': 'new', 'live/sub/b': 'new', 'live/sub/d': 'new' })
    await work.ok(['restore', 'files', '--only', 'sub/b', '--yes'])
    expect(await work.files('live')).toEqual({
      a: 'new',
      'sub/b': 'old',
      'sub/c': 'old',
      'sub/d': 'new',
    })
    await work.ok(['restore', 'files', '--to', 'made/out'])
    expect(await work.files('made')).toEqual({
      'out/a': 'old',
      'out/sub/b': 'old',
      'out/sub/c': 'old',
    })
    await work.ok(['restore', 'files', '--only', 'sub', '--to', 'part'])
    expect(Object.values(await work.files('part'))).toEqual(['old', 'old'])
    const places = ['full', 'full/x', 'shelf/in', 'state/in', 'live']
    const refused = await Promise.all(
      places.map((place) => work.run(['restore', 'files', '--to', place, '--json'])),
    )
    for (const { code, document } of refused) {
      expect([code, document.error.code]).toEqual([1, 'restore_failed'])
      expect(document.error.hint).toMatch(/^name a|--to/)
    }
    const outward = await work.run(['restore', 'files', '--only', '../x', '--yes'])
    expect([outward.code, outward.stderr]).toEqual([1, expect.stringContaining('leads out')])
    expect(await work.files('full')).toEqual({ x: 'mine' })
    expect((await readdir(work.at('shelf'))).sort()).toEqual(['system'])
  })
})

describe('a restore of a database', () => {
  it('is refused while a process has it open, named, unless it is forced', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs: { db: { sources: [{ type: sqlite, path: ./app.db }] } }
`)
    makeDatabase(work.at('app.db'), 'wal', 10)
    await work.ok(['backup', 'create'])
    const holder = await elsewhere(work.at('app.db'), `database.exec('delete from pair');${HOLDER}`)
    try {
      const refused = await work.run(['restore', 'db', '--yes'])
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(
        new RegExp(`database .*app\\.db is in use by .*process ${holder.pid}\\)`),
      )
      expect(refused.stderr).toMatch(/hint: stop what uses it and try again; --force goes on/)
      expect(examine(work.at('app.db'))).toMatchObject({ rows: 0, integrity: 'ok' })
      await work.ok(['restore', 'db', '--to', 'copy.db'])
      expect(examine(work.at('copy.db'))).toMatchObject({ rows: 10, integrity: 'ok' })
      const forced = await work.ok(['restore', 'db', '--yes', '--force'])
      expect(forced.stdout).toMatch(/was in use by .*restart it/)
      expect(examine(work.at('app.db'))).toMatchObject({ rows: 10, integrity: 'ok' })
    } finally {
      await end(holder)
    }
    const over = await work.run(['restore', 'db', '--to', 'copy.db'])
    expect([over.code, over.stderr]).toEqual([1, expect.stringContaining('is not overwritten')])
    await work.ok(['backup', 'create'])
    expect((await readdir(work.root)).filter((name) => name.includes('holdfast-'))).toEqual([])
  })
})
