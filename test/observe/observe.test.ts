import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { JobId, TargetId } from '../../src/core/model.ts'
import type { Listing, Observed } from '../../src/core/observed.ts'
import { observe, type Scope } from '../../src/observe/observe.ts'
import { commandLine } from '../support/command-line.ts'
import { changeManifest, forge } from '../support/forge.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const CONFIG = `
data_dir: ./state
targets: { one: { type: local, path: ./one }, two: { type: local, path: ./two } }
jobs:
  files: { sources: [{ type: directory, path: ./live }], targets: [one, two], require: 1 }
  other: { sources: [{ type: directory, path: ./other }], targets: [one] }
`

const signal = new AbortController().signal

/** Looks at the workspace's world as a pass would. */
async function look(work: Workspace, scope: Partial<Scope> = {}): Promise<Observed> {
  return await inWorld(work, (world) =>
    observe(
      { jobs: null, depth: 'all', pruneConfirmed: false, restoreRequested: null, ...scope },
      world,
      signal,
    ),
  )
}

function listed(observed: Observed, target: string): Extract<Listing, { kind: 'listed' }> {
  const listing = observed.listings.get(target as TargetId)
  if (listing?.kind !== 'listed') throw new Error(`${target} is ${listing?.kind}`)
  return listing
}

async function backedUp(): Promise<Workspace> {
  const work = await makeWorkspace(CONFIG)
  await work.write({ 'live/a': 'a', 'other/b': 'b' })
  const { code, err } = await commandLine(['backup', 'create'], { cwd: work.root })
  if (code === 0) return work
  await work[Symbol.asyncDispose]()
  throw new Error(err)
}

describe('observing', () => {
  it('believes neither a target that could not be looked at nor one that is empty where copies should be', async () => {
    await using work = await backedUp()
    const reason = async (target: string) => {
      const listing = (await look(work)).listings.get(target as TargetId)
      return listing?.kind === 'unreachable' ? listing.error : listing?.kind
    }
    await rename(work.at('two'), work.at('kept'))
    await writeFile(work.at('two'), 'a file')
    expect(await reason('two')).toContain('it is not a directory')
    // An empty folder where copies should be is a disk that is not mounted, not an empty target.
    await rm(work.at('two'))
    await mkdir(work.at('two'))
    expect(await reason('two')).toContain('is it mounted?')
    await rm(work.at('state'), { recursive: true })
    expect(await reason('two')).toBe('listed')
    expect(await reason('one')).toBe('listed')
  })

  it('looks at nothing, at the groups of some jobs, or at all, as the scope says', async () => {
    await using work = await backedUp()
    await writeFile(work.at('one', 'theirs'), 'foreign')
    const history = await look(work, { depth: 'history' })
    expect([...history.listings.values()].map(({ kind }) => kind)).toEqual(['unlisted', 'unlisted'])
    const group = await look(work, { depth: 'groups', jobs: ['other' as JobId] })
    expect(listed(group, 'one').prefixes).toContain('system/other/other/')
    expect([...listed(group, 'one').objects.keys()]).not.toContain('theirs')
    expect([...listed(await look(work), 'one').objects.keys()]).toContain('theirs')
  })

  it('takes a manifest only for the object that it lies beside, of our deployment, and understood', async () => {
    await using work = await backedUp()
    const [like = ''] = (await work.archives('two')).filter((key) => key.includes('/files/'))
    const forgery = { like, content: Buffer.from('content'), layers: ['tar', 'zstd'] }
    const names = ['sound', 'newer', 'theirs', 'moved', 'shorter', 'broken'] as const
    const keys = new Map<string, string>()
    for (const [index, id] of names.entries())
      keys.set(id, await forge(work, 'two', { ...forgery, id, day: index + 1 }))
    const change = (id: string, changes: Record<string, unknown>) =>
      changeManifest(work, 'two', keys.get(id) ?? '', changes)
    await change('newer', { version: 2 })
    await change('theirs', { deployment: 'theirs' })
    await change('moved', { key: 'somewhere/else.tar.zst' })
    await change('shorter', { stored: { bytes: 3, sha256: 'a'.repeat(64) } })
    await change('broken', { job: null })
    const { manifests } = listed(await look(work), 'two')
    const found = names.map((id) => {
      const one = manifests.get(keys.get(id) ?? '')
      return one?.kind === 'foreign' ? one.why : one?.kind
    })
    expect(found).toEqual([
      'ours',
      'manifest has version 2, and this holdfast reads up to 1',
      'it belongs to deployment theirs',
      'it is about somewhere/else.tar.zst',
      'it tells of 3 bytes, the archive has 7',
      expect.stringMatching(/^manifest is broken: job has to be a name/),
    ])
    // What the history holds as complete is not read again.
    expect([...manifests.keys()]).not.toContain(like)
  })

  it('counts every pin, also one that cannot be read', async () => {
    await using work = await backedUp()
    const [key = ''] = await work.archives('two')
    await writeFile(work.at('two', `${key}.pin.json`), 'no json at all')
    expect(listed(await look(work), 'two').pins).toEqual([
      { target: 'two', key, reason: 'unreadable pin', at: 0 },
    ])
    const { document } = await commandLine(['backup', 'list', '--json'], { cwd: work.root })
    const row = document().backups.find(({ target }: { target: string }) => target === 'two')
    expect(row).toMatchObject({ pinned: true, keptBecause: expect.arrayContaining(['pinned']) })
  })

  it('tells parts of uploads from objects, with the attempt that they belong to', async () => {
    await using work = await backedUp()
    await work.write({ 'two/system/files/live/.x.tar.zst.attempt1.part': 'half' })
    const { objects, unfinished } = listed(await look(work), 'two')
    expect(unfinished).toMatchObject([
      { key: 'system/files/live/x.tar.zst', token: 'attempt1', bytes: 4 },
    ])
    expect([...objects.keys()].filter((key) => key.includes('.part'))).toEqual([])
  })

  it('warns of a target that shares the device of its source', async () => {
    await using work = await backedUp()
    const rules = (await look(work)).warnings.map(({ rule, subject }) => `${rule} ${subject}`)
    expect(rules).toContain('same-device files/live')
  })
})
