import { rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { type Document, filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'

async function rows(work: Workspace, ...more: readonly string[]): Promise<readonly Document[]> {
  return (await work.ok(['backup', 'list', '--json', ...more])).document.backups
}

async function create(work: Workspace, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await work.ok(['backup', 'create'])
}

describe('backup prune', () => {
  it('shows each copy that would go and why the others stay, asks, and deletes no other object', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    await create(work, 4)
    await work.write({
      'shelf/theirs.txt': 'foreign',
      'shelf/system/files/live/notes': 'foreign',
      'shelf/system/files/live/2020-01-01T00-00-00-000Z.tar.zst': 'foreign',
    })
    const config = filesConfig('retention: { keep_last: 2 }')
    await work.write({ 'holdfast.yml': config })
    const [newest = '', second = '', third = '', oldest = ''] = (await rows(work)).map(
      ({ storagePath }) => storagePath,
    )

    const asked = await work.run(['backup', 'prune'])
    expect(asked.code).toBe(1)
    expect(asked.stderr).toMatch(/this needs a yes.*\n {2}hint: add --yes/)
    for (const key of [third, oldest]) expect(asked.stdout).toMatch(new RegExp(`- ${key}`))
    expect(asked.stdout).toMatch(new RegExp(`= ${newest}.*kept: last-1`))
    expect(asked.stdout).toMatch(new RegExp(`= ${second}.*kept: last-2`))
    expect(await rows(work)).toHaveLength(4)

    await work.ok(['backup', 'pin', `files@${(await rows(work))[3]?.id}`, '--reason', 'audit'])
    await work.ok(['backup', 'prune', '--yes'])
    const left = await rows(work)
    expect(left.map(({ storagePath }) => storagePath)).toEqual([newest, second, oldest])
    expect(left.map(({ keptBecause }) => keptBecause)).toEqual([['last-1'], ['last-2'], ['pinned']])
    expect(left.map(({ pinned }) => pinned)).toEqual([false, false, true])
    expect(JSON.parse(await work.read('shelf', `${oldest}.pin.json`))).toMatchObject({
      reason: 'audit',
    })

    await work.ok(['backup', 'unpin', `files@${left[2]?.id}`])
    expect((await rows(work))[2]).toMatchObject({ pinned: false, keptBecause: [] })
    const aged = await work.ok(['backup', 'prune', '--older-than', '0s', '--yes'])
    expect(aged.stdout).toMatch(new RegExp(`- ${oldest}`))
    expect((await rows(work)).map(({ storagePath }) => storagePath)).toEqual([newest])
    const all = await rows(work, '--all')
    expect(all.map(({ status }) => status)).toEqual(['success', 'pruned', 'pruned', 'pruned'])

    expect(Object.keys(await work.files('shelf')).sort()).toEqual(
      [
        newest,
        `${newest}.manifest.json`,
        'system/files/live/2020-01-01T00-00-00-000Z.tar.zst',
        'system/files/live/notes',
        'theirs.txt',
      ].sort(),
    )
    expect((await work.ok(['backup', 'prune', 'files'])).stdout).toContain('nothing to prune')
    const { document } = await work.ok(['target', 'list', '--json'])
    expect(document.targets).toMatchObject([{ copies: 1, foreign: 3 }])
  })

  it('is blocked while the newest attempt failed, and says what to do', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    await create(work, 3)
    await work.write({ 'holdfast.yml': filesConfig('retention: { keep_last: 1 }') })
    await rm(work.at('live'), { recursive: true })
    expect((await work.run(['backup', 'create'])).code).toBe(1)
    const statuses = async () => (await rows(work)).map(({ status }) => status)
    expect(await statuses()).toEqual(['failed', 'success', 'success', 'success'])
    expect((await work.run(['apply', '--yes'])).stderr).toContain('nothing is pruned')
    const forced = await work.run(['backup', 'prune', '--yes'])
    expect([forced.code, forced.stderr]).toEqual([
      1,
      expect.stringMatching(/blocked\n {2}hint: take a backup that succeeds first/),
    ])
    expect(await statuses()).toEqual(['failed', 'success', 'success', 'success'])
  })

  it('takes more than max_delete of a group only when it is told so by command', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    await create(work, 4)
    await work.write({
      'holdfast.yml': filesConfig('retention: { keep_last: 1 }\nmax_delete: 50%'),
    })
    const { document } = await work.ok(['plan', '--json'])
    expect(document.actions).toContainEqual(
      expect.objectContaining({
        kind: 'prune-blocked',
        because: expect.objectContaining({ rule: 'too-many' }),
      }),
    )
    const applied = await work.run(['apply', '--yes'])
    expect(applied.stderr).toMatch(/nothing is pruned of system\/files\/live/)
    expect(await rows(work)).toHaveLength(4)
    await work.ok(['backup', 'prune', '--yes'])
    expect(await rows(work)).toHaveLength(1)
  })
})

describe('backup download', () => {
  it('gives the bytes as they are stored, with their manifest, and never over a file that is there', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    const [key = ''] = await work.archives('shelf')
    const name = key.split('/').at(-1) ?? ''
    await work.ok(['backup', 'download', 'files/live'])
    await work.ok(['backup', 'download', `files@${(await rows(work))[0]?.id}`, 'copy.tar.zst'])
    const stored = await work.files('shelf')
    const here = await work.files()
    for (const copy of [name, 'copy.tar.zst']) {
      expect(here[copy]).toBe(stored[key])
      expect(here[`${copy}.manifest.json`]).toBe(stored[`${key}.manifest.json`])
    }
    const again = await work.run(['backup', 'download', 'files', 'copy.tar.zst'])
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('it is there already')])
    // What was downloaded restores by itself.
    const env = { HOLDFAST_RESTORE: `file:${work.at('copy.tar.zst')}` }
    await work.write({ 'live/a': 'changed' })
    await work.ok(['restore', '--boot', '--', 'true'], { env })
    expect(await work.read('live', 'a')).toBe('a')

    const flipped = Buffer.from(stored[key] ?? '', 'latin1')
    flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20)
    await work.write({ [`shelf/${key}`]: flipped })
    const damaged = await work.run(['backup', 'download', 'files', 'bad.tar.zst'])
    expect([damaged.code, damaged.stderr]).toEqual([14, expect.stringContaining('sha256')])
    expect(Object.keys(await work.files()).filter((file) => file.startsWith('bad'))).toEqual([])
  })
})

describe('what is not declared any more', () => {
  it('a renamed job keeps its history, a removed one its archives, and both can be restored', async () => {
    await using work = await makeWorkspace(filesConfig('retention: { keep_last: 2 }'))
    await work.write({ 'live/a': 'first' })
    await work.ok(['apply', '--yes'])
    await create(work, 2)
    const renamed = filesConfig('retention: { keep_last: 2 }\nrenamed_from: files').replace(
      '  files:',
      '  documents:',
    )
    await work.write({ 'holdfast.yml': renamed, 'live/a': 'second' })
    const plan = await work.ok(['plan'])
    expect(plan.stdout).toMatch(/documents[\s\S]*renamed|renamed[\s\S]*documents/)
    await work.ok(['apply', '--yes'])
    expect((await rows(work)).map(({ job }) => job)).toEqual(['documents', 'documents'])
    await create(work, 1)
    const kept = await rows(work, 'documents')
    expect(kept.map(({ keptBecause }) => keptBecause[0])).toEqual(['last-1', 'last-2'])
    expect(await work.archives('shelf')).toHaveLength(2)
    await work.ok(['restore', `documents@${kept[1]?.id}`, '--to', 'old'])
    expect(await work.read('old', 'a')).toBe('first')

    const removed = renamed.replace(/jobs:[\s\S]*/, 'jobs: {}\n')
    await work.write({ 'holdfast.yml': removed })
    const { document } = await work.ok(['plan', '--json'])
    expect(document.actions).toMatchObject([{ kind: 'job.remove', subject: 'documents' }])
    expect((await work.ok(['plan'])).stdout).toContain('2')
    await work.ok(['apply', '--yes'])
    expect(await work.archives('shelf')).toHaveLength(2)
    expect(await rows(work)).toHaveLength(2)
    await work.ok(['backup', 'verify', '--all'])
    const inPlace = await work.run(['restore', 'documents', '--yes'])
    expect([inPlace.code, inPlace.stderr]).toEqual([1, expect.stringContaining('--to PATH')])
    await work.ok(['restore', 'documents', '--to', 'kept'])
    expect(await work.read('kept', 'a')).toBe('second')
    expect((await work.ok(['plan', '--json'])).document.actions).toEqual([])
  })
})

describe('state adopt', () => {
  it('rebuilds a lost history from the manifests alone, and the next plan deletes nothing of it', async () => {
    await using work = await makeWorkspace(filesConfig('retention: { keep_last: 3 }'))
    await work.write({ 'live/a': 'a' })
    await work.ok(['apply', '--yes'])
    await create(work, 3)
    await work.ok(['backup', 'pin', 'files'])
    await work.write({
      'shelf/theirs.txt': 'foreign',
      'shelf/system/files/live/2020-01-01T00-00-00-000Z.tar.zst': 'foreign',
      'shelf/system/files/live/2020-01-01T00-00-00-000Z.tar.zst.manifest.json': '{"version":1}',
    })
    const before = await rows(work)
    const held = await work.files('shelf')
    await rm(work.at('state'), { recursive: true })
    expect(await rows(work)).toEqual([])
    const { document } = await work.ok(['state', 'adopt', '--json'])
    expect(document.adopted).toHaveLength(3)
    expect(document.foreign).toMatchObject([{ why: expect.stringContaining('manifest is broken') }])
    const facts = ({ id, run, storagePath, checksum, keptBecause, pinned }: Document) => ({
      id,
      run,
      storagePath,
      checksum,
      keptBecause,
      pinned,
    })
    expect((await rows(work)).map(facts)).toEqual(before.map(facts))
    expect((await work.ok(['state', 'adopt', '--json'])).document.adopted).toEqual([])
    expect((await work.ok(['plan', '--json'])).document.summary).toMatchObject({
      deletes: 0,
      missing: 0,
    })
    await work.ok(['backup', 'verify', '--all'])
    await work.ok(['apply', '--yes'])
    expect(await work.files('shelf')).toEqual(held)
    await work.ok(['restore', 'files', '--yes'])
  })
})
