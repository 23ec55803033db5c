import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Loop, makeLoop } from './loop.ts'

let loop: Loop

const config = (retention?: object) => ({
  targets: { here: { type: 'local', path: 'target' } },
  jobs: {
    docs: {
      schedule: '0 2 * * *',
      source: { type: 'command', name: 'docs', backup: ['date', '+%N'] },
      ...(retention ? { retention } : {}),
    },
  },
})

beforeEach(async () => {
  loop = await makeLoop(config(), { now: '2026-11-01T12:00:00Z' })
})

afterEach(() => loop[Symbol.asyncDispose]())

/** Takes the slots of so many days. */
async function days(from: number, to: number): Promise<void> {
  for (let day = from; day <= to; day++) {
    loop.setTime(`2026-11-${String(day).padStart(2, '0')}T02:00:00Z`)
    await loop.quiet()
  }
}

async function takeInventory(): Promise<void> {
  loop.dispatch().askInventory()
  await loop.quiet()
}

/** Every file below the target, from it on. */
async function held(): Promise<readonly string[]> {
  const root = loop.at('target')
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

async function archives(): Promise<readonly string[]> {
  return (await held()).filter((path) => path.startsWith('system/') && path.endsWith('.zst'))
}

describe('what is found on a target', () => {
  it('is never touched when nothing proves it ours', async () => {
    await days(2, 4)
    const [first = ''] = await archives()
    const foreign = {
      'readme.txt': 'hello',
      'system/docs/docs/2026-01-01T00-00-00-000Z.zst': 'looks like ours',
      'system/docs/docs/2026-01-02T00-00-00-000Z.zst': 'with a manifest',
      'system/docs/docs/2026-01-02T00-00-00-000Z.zst.manifest.json': '{"version":1}',
      [`${first}.part`]: 'unfinished, it seems',
    }
    for (const [path, text] of Object.entries(foreign))
      await writeFile(loop.at('target', path), text)
    await loop.configure(config({ keep_last: 1 }))
    await takeInventory()
    await days(5, 6)
    for (const [path, text] of Object.entries(foreign)) {
      expect(await readFile(loop.at('target', path), 'utf8')).toBe(text)
    }
    expect(loop.named('debris.removed')).toEqual([])
  })

  it('is missed when it was deleted behind our back, once, and never counted again', async () => {
    await days(2, 4)
    const [first = ''] = await archives()
    await rm(loop.at('target', first))
    await takeInventory()
    await takeInventory()
    expect(loop.named('copy.missing')).toMatchObject([
      {
        level: 'error',
        target: 'here',
        key: first,
        message: expect.stringContaining('archive-gone'),
      },
    ])
    const { copies } = await loop.history()
    expect(copies.find(({ key }) => key === first)?.status).toBe('missing')
  })

  it('becomes history again when the state was lost, and is pruned by rule alone', async () => {
    await loop.configure(config({ keep_last: 3 }))
    await days(2, 4)
    const before = await archives()
    expect(before).toHaveLength(3)
    await loop.restart(async () => {
      for (const suffix of ['', '-wal', '-shm']) {
        await rm(loop.at('state', `state.db${suffix}`), { force: true })
      }
    })
    loop.events.length = 0
    await loop.quiet()
    expect(loop.named('adopt.done')).toHaveLength(3)
    expect(loop.named('prune.done')).toEqual([])
    expect(await archives()).toEqual(before)
    const { backups } = await loop.history()
    expect(backups.map(({ status, trigger }) => [status, trigger])).toEqual(
      Array(3).fill(['success', 'adopted']),
    )
    await days(5, 5)
    expect((await archives()).slice(0, 2)).toEqual(before.slice(1))
    expect(loop.named('prune.done')).toMatchObject([{ detail: { keys: [before[0]] } }])
  })

  it('of a job that the file no longer names stays, and its history is known', async () => {
    await days(2, 3)
    const before = await archives()
    await loop.configure({ targets: config().targets, jobs: {} })
    await takeInventory()
    loop.setTime('2027-05-01T02:00:00Z')
    await loop.quiet()
    expect(await archives()).toEqual(before)
    expect((await loop.history()).backups).toHaveLength(2)
  })
})

describe('a target that cannot be looked at', () => {
  it('loses nothing, is told once, and is used again once it is back', async () => {
    await loop.configure(config({ keep_last: 2 }))
    await days(2, 3)
    const before = await archives()
    await rename(loop.at('target'), loop.at('aside'))
    await writeFile(loop.at('target'), 'a file where a directory was')
    loop.events.length = 0
    await takeInventory()
    await takeInventory()
    expect(loop.named('drift.found')).toMatchObject([
      { level: 'error', target: 'here', message: expect.stringContaining('cannot be looked at') },
    ])
    await days(4, 4)
    expect(loop.named('backup.failed')).toMatchObject([{ error: { code: 'target_unreachable' } }])
    for (const event of ['copy.missing', 'prune.done', 'debris.removed'] as const) {
      expect(loop.named(event)).toEqual([])
    }

    await rm(loop.at('target'))
    await rename(loop.at('aside'), loop.at('target'))
    expect(await archives()).toEqual(before)
    loop.setTime('2026-11-04T02:01:30Z')
    await loop.quiet()
    expect(loop.named('backup.done')).toHaveLength(1)
    // Two by retention, and the newest that was ever verified.
    expect((await archives()).slice(0, 2)).toEqual(before)
    expect(loop.named('prune.done')).toEqual([])
    await days(5, 5)
    expect(await archives()).toHaveLength(3)
    expect(loop.named('prune.done')).toHaveLength(1)
  })
})

describe('the history', () => {
  it('does not grow without end: what nothing is left of is forgotten beyond a thousand attempts', async () => {
    await days(2, 3)
    const database = new DatabaseSync(loop.at('state', 'state.db'))
    const same =
      'run, job, source, source_kind, group_id, attempt, trigger, instance, fence, warnings'
    const dead = database.prepare(`
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 1500)
      insert into backups (id, status, started_at, finished_at, ${same})
      select 'dead' || i, 'failed', started_at - i, finished_at, ${same}
      from n join (select * from backups order by started_at desc limit 1)`)
    expect(dead.run().changes).toBe(1500)
    database.close()
    await takeInventory()
    const { backups, copies } = await loop.history()
    expect(backups).toHaveLength(1001) // a thousand, and the oldest, which has its copy
    expect(copies.map(({ status }) => status)).toEqual(['complete', 'complete'])
  })
})
