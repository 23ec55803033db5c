import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { pin } from '../../src/act/pin.ts'
import { release } from '../../src/act/release.ts'
import { resolveRequest } from '../../src/act/resolve-request.ts'
import { restore } from '../../src/act/restore.ts'
import type { RestoreOrder } from '../../src/act/restore-order.ts'
import { pinKey } from '../../src/core/archive-key.ts'
import { recover } from '../../src/daemon/recover.ts'
import { ArchiveDamaged, Interrupted } from '../../src/lib/errors.ts'
import type { World } from '../../src/observe/world.ts'
import type { Staging } from '../../src/sources/source.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

/** A backup of `old` is on the shelf, and the source holds `new` since. */
async function backedUp(config: string): Promise<Workspace> {
  const work = await makeWorkspace(config)
  await work.write({ 'live/a': 'old', 'other/b': 'old' })
  await work.ok(['backup', 'create'])
  await work.write({ 'live/a': 'new', 'other/b': 'new' })
  return work
}

async function restoresOf(world: World) {
  return (await world.store.history({ depth: 'full', jobs: null })).restores
}

/** The order with a staging place that cannot be cleared away. */
function littering(order: RestoreOrder): RestoreOrder {
  const { source } = order
  const stage: typeof source.stage = async (...asked) => ({
    ...(await source.stage(...asked)),
    discard: () => Promise.reject(new Error('the disk is read-only')),
  })
  return { ...order, source: { ...source, stage } }
}

/** The order with a staging place that takes its bytes straight into something live. */
function intoLive(order: RestoreOrder, sink: Staging['sink']): RestoreOrder {
  const { source } = order
  const stage: typeof source.stage = async () => ({
    sink,
    immediate: true,
    finish: async () => ({ moves: [], previous: null, leftovers: [], summary: '', warnings: [] }),
    discard: async () => {},
  })
  return { ...order, source: { ...source, stage } }
}

describe('a restore straight into something live', () => {
  it.each([
    ['a program elsewhere', false],
    ['a program of this host', true],
  ])('gives no byte of a damaged archive to %s', async (_name, isHere) => {
    await using work = await backedUp(filesConfig())
    const [key = ''] = await work.archives('shelf')
    const bytes = await readFile(work.at('shelf', key))
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await work.write({ [`shelf/${key}`]: bytes })
    const open = () => Promise.reject(new Error('it was opened'))
    const program = { command: 'touch', args: [work.at('opened')] }
    const sink = isHere
      ? ({ kind: 'program', program } as const)
      : { kind: 'stream' as const, open }
    await inWorld(work, async (world) => {
      const order = intoLive(await resolveRequest('files/live', world, signal), sink)
      await expect(restore(order, world, signal)).rejects.toBeInstanceOf(ArchiveDamaged)
      const [row] = await restoresOf(world)
      expect(row?.error).not.toMatch(/neither the old nor the new/)
    })
    expect(await work.files('.')).not.toHaveProperty('opened')
  })

  it('says so in the history when what it read broke off by itself', async () => {
    await using work = await backedUp(filesConfig())
    await inWorld(work, async (world) => {
      const open = () => Promise.reject(new Error('cut off'))
      const asked = await resolveRequest('files/live', world, signal)
      const order = intoLive(asked, { kind: 'stream', open })
      await expect(restore(order, world, signal)).rejects.toThrow('cut off')
      const [row] = await restoresOf(world)
      expect(row?.error).toMatch(/cut off; .*neither the old nor the new/)
      expect((await world.store.facts('loading:')).size).toBe(0)
    })
  })

  it('says so in the history when it was cut short, and what was there may be half of it', async () => {
    await using work = await backedUp(filesConfig())
    await inWorld(work, async (world) => {
      const cut = new AbortController()
      const open = async () => {
        cut.abort(new Interrupted('told to end', { signal: 'SIGTERM' }))
        throw new Error('cut off')
      }
      const asked = await resolveRequest('files/live', world, signal)
      const order = intoLive(asked, { kind: 'stream', open })
      await expect(restore(order, world, cut.signal)).rejects.toBeInstanceOf(Interrupted)
      const [row] = await restoresOf(world)
      expect(row?.error).toMatch(/told to end; .*neither the old nor the new/)
      expect((await world.store.facts('loading:')).size).toBe(0)
    })
  })
})

describe('a restore whose data is in place', () => {
  it('is a success although what it staged cannot be removed', async () => {
    await using work = await backedUp(filesConfig())
    await inWorld(work, async (world, events) => {
      const order = await resolveRequest('files/live', world, signal)
      await restore(littering(order), world, signal)
      expect(await restoresOf(world)).toMatchObject([{ status: 'success', error: null }])
      expect(events).toContainEqual(
        expect.objectContaining({
          level: 'warn',
          message: expect.stringContaining('the disk is read-only'),
        }),
      )
      expect(await world.store.journal()).toEqual([])
    })
    expect(await work.files('live')).toEqual({ a: 'old' })
  })

  it('is never recorded as failed: what could not be written down is made good at the next start', async () => {
    await using work = await backedUp(filesConfig())
    await inWorld(work, async (world) => {
      const closeRestore = () => Promise.reject(new Error('the state is full'))
      const full: World = { ...world, store: { ...world.store, closeRestore } }
      const order = await resolveRequest('files/live', full, signal)
      await expect(restore(order, full, signal)).rejects.toThrow('the state is full')
      expect(await restoresOf(world)).toMatchObject([{ status: 'running' }])
      expect(await world.store.journal()).toHaveLength(1)
    })
    await inWorld(work, async (world) => {
      await recover(world, signal)
      expect(await restoresOf(world)).toMatchObject([
        { status: 'success', previous: expect.stringContaining('holdfast-previous') },
      ])
      expect(await world.store.journal()).toEqual([])
    })
    expect(await work.files('live')).toEqual({ a: 'old' })
  })
})

describe('letting go of a restore', () => {
  const SHARED = `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  files:
    path: 'all/{timestamp}-{source}'
    sources: [{ type: directory, path: ./live }, { type: directory, path: ./other }]
`

  it('takes its pins from wherever a template put them, and no pin of a neighbour or a person', async () => {
    await using work = await backedUp(SHARED)
    await work.ok(['backup', 'create'])
    const kept = await inWorld(work, async (world) => {
      const orders = [
        await resolveRequest('files/live', world, signal),
        await resolveRequest('files/other', world, signal),
      ]
      for (const order of orders) await restore(order, world, signal)
      const { copies } = await world.store.history({ depth: 'full', jobs: null })
      const pinned = orders.flatMap(({ pins }) => pins.map(({ key }) => key))
      const free = copies.filter(({ key }) => !pinned.includes(key))
      for (const copy of free) await pin(copy, 'by hand', world, signal)
      return [...(orders[1]?.pins.map(({ key }) => key) ?? []), ...free.map(({ key }) => key)]
    })
    // The template of today says nothing of where the archives of yesterday stand.
    await work.write({ 'holdfast.yml': SHARED.replace('all/', 'since/') })
    await inWorld(work, async (world) => {
      const [first] = await restoresOf(world)
      if (first) await release(first, world, signal)
      expect((await restoresOf(world)).map(({ released }) => released)).toEqual([true, false])
    })
    const left = Object.keys(await work.files('shelf')).filter((key) => key.endsWith('.pin.json'))
    expect(left.sort()).toEqual(kept.map(pinKey).sort())
  })

  it('leaves the pins of a neighbour under the same prefix', async () => {
    await using work = await backedUp(SHARED)
    const kept = await inWorld(work, async (world) => {
      const [own, neighbour] = [
        await resolveRequest('files/live', world, signal),
        await resolveRequest('files/other', world, signal),
      ]
      await restore(own, world, signal)
      await restore(neighbour, world, signal)
      const [first] = await restoresOf(world)
      if (first) await release(first, world, signal)
      return neighbour.pins.map(({ key }) => key)
    })
    const left = Object.keys(await work.files('shelf')).filter((key) => key.endsWith('.pin.json'))
    expect(left.sort()).toEqual(kept.map(pinKey).sort())
  })
})
