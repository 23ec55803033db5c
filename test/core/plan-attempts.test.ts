import { describe, expect, it } from 'vitest'
import type { AdoptAction } from '../../src/core/action.ts'
import { appliedAfter } from '../../src/core/applied.ts'
import type { TargetId } from '../../src/core/model.ts'
import { plan } from '../../src/core/plan.ts'
import { at, desired, job, plus, restore, target } from './plan-nouns.ts'
import { act, change, copyKey, createWorld, type Fate, observe, type World } from './plan-world.ts'

const BEGIN = at('2026-11-19T12:00:00Z')
const SLOT = at('2026-11-20T02:00:00Z')
const NAS = 'nas' as TargetId
const USB = 'usb' as TargetId

/** One job on two targets whose owner was killed in the middle of its slot. */
function killed(fate: Fate, require = 2): World {
  const wanted = desired(
    [target('nas'), target('usb')],
    [job('shop', { targets: ['nas', 'usb'] }, { require })],
  )
  const world = createWorld(wanted, SLOT)
  world.applied = appliedAfter(wanted, null, BEGIN)
  world.fate = () => fate
  act(world, plan(wanted, observe(world), SLOT))
  world.fate = () => 'success'
  world.now = plus(SLOT, '10s')
  return world
}

function told(world: World) {
  return plan(world.desired, observe(world), world.now).actions.map((action) => {
    const rule = action.because.rule
    return `${action.kind} ${action.kind === 'adopt' ? action.subject : ''} ${rule}`
  })
}

function away(world: World, ...ids: readonly TargetId[]): World {
  for (const id of ids) {
    const shelf = world.shelves.get(id)
    if (shelf) shelf.state = 'unreachable'
  }
  return world
}

function forget(world: World, id: TargetId): World {
  const shelf = world.shelves.get(id)
  shelf?.manifests.clear()
  for (const key of shelf?.objects.keys() ?? []) {
    if (key.endsWith('.manifest.json')) shelf?.objects.delete(key)
  }
  return world
}

describe('an attempt whose owner is gone', () => {
  it('is a success once as many targets as required hold it with its manifest', () => {
    const world = killed('killed-after-manifest')
    expect(told(world)).toEqual(['adopt nas proven-complete', 'adopt usb proven-complete'])
    act(world, plan(world.desired, observe(world), world.now))
    expect([...world.backups.values()].map(({ status }) => status)).toEqual(['success'])
    expect(told(world)).toEqual([])
  })

  it('is no success below its quorum, and the copy that is there counts all the same', () => {
    const world = forget(killed('killed-after-manifest', 2), USB)
    expect(told(world)).toEqual([
      'adopt nas copy-found',
      'abandon  owner-gone',
      'debris  attempt-over',
      'backup  retry',
    ])
    act(world, plan(world.desired, observe(world), world.now))
    const [first, second] = [...world.backups.values()]
    expect([first?.status, second?.status]).toEqual(['failed', 'success'])
    const copies = [...world.copies.values()].filter(({ backup }) => backup === first?.id)
    expect(copies.map(({ status }) => status)).toEqual(['complete', 'failed'])
  })

  it('is a success with one target where one is enough, although the other is away', () => {
    const world = away(killed('killed-after-manifest', 1), USB)
    expect(told(world)).toEqual(['adopt nas proven-complete'])
  })

  it('is given up when no manifest proves it, its leftovers are debris, and its slot is tried again at once', () => {
    const world = killed('killed-before-manifest')
    expect(told(world)).toEqual([
      'abandon  owner-gone',
      'debris  attempt-over',
      'debris  attempt-over',
      'backup  retry',
    ])
    act(world, plan(world.desired, observe(world), world.now))
    expect(told(world)).toEqual([])
    expect([...world.backups.values()].map(({ status }) => status)).toEqual(['failed', 'success'])
  })

  it('stays open while a target that may hold the proof cannot be looked at', () => {
    expect(told(away(killed('killed-after-manifest'), USB))).toEqual([])
    expect(told(away(killed('killed-before-manifest'), NAS, USB))).toEqual([])
  })

  it('does not wait for a target whose write had failed already', () => {
    const world = away(killed('killed-before-manifest'), USB)
    for (const one of world.copies.values()) {
      if (one.target === USB) change(world.copies, copyKey(one), { status: 'failed' })
    }
    expect(told(world)).toEqual(['abandon  owner-gone', 'debris  attempt-over', 'backup  retry'])
  })

  it('is given up when it had not begun to write anywhere', () => {
    const world = away(killed('killed-before-manifest'), NAS, USB)
    world.copies.clear()
    expect(told(world)).toEqual(['abandon  owner-gone', 'backup  retry'])
  })

  it('is not proven by a manifest that is foreign, or whose archive is short or gone', () => {
    const forged = killed('killed-after-manifest')
    for (const shelf of forged.shelves.values()) {
      for (const key of shelf.manifests.keys()) {
        shelf.manifests.set(key, { kind: 'foreign', why: 'it is not signed' })
      }
    }
    expect(told(forged)).toEqual(['abandon  owner-gone', 'backup  retry'])

    const short = killed('killed-after-manifest')
    for (const shelf of short.shelves.values()) {
      for (const [key, object] of shelf.objects) {
        if (!key.endsWith('.json')) shelf.objects.set(key, { ...object, bytes: 9 as never })
      }
    }
    expect(told(short)).toEqual(['abandon  owner-gone', 'backup  retry'])
  })

  it('stays open while a manifest is there that nobody has read yet', () => {
    const world = killed('killed-after-manifest')
    for (const shelf of world.shelves.values()) shelf.manifests.clear()
    expect(told(world)).toEqual([])
  })

  it('is closed as a success when only its own row was missing', () => {
    const world = killed('killed-after-manifest')
    for (const one of world.copies.values()) {
      change(world.copies, copyKey(one), { status: 'complete', bytes: 1000 as never })
    }
    expect(told(world)).toEqual(['adopt nas proven-complete', 'adopt usb proven-complete'])
  })

  it('is neither closed nor counted as a success while its manifests cannot be read', () => {
    const world = away(killed('killed-after-manifest'), NAS, USB)
    const [shop] = world.desired.jobs
    if (!shop) throw new Error('no job')
    for (const one of world.copies.values()) {
      change(world.copies, copyKey(one), { status: 'complete', bytes: 1000 as never })
    }
    world.restores.set('r1', restore('r1', shop, BEGIN))
    expect(told(world)).toEqual([])
  })

  it('does not wait for a target that the file no longer names', () => {
    const world = killed('killed-before-manifest')
    for (const [key, one] of world.copies) {
      if (one.target === USB) change(world.copies, key, { target: 'attic' as TargetId })
    }
    expect(told(world)).toEqual(['abandon  owner-gone', 'debris  attempt-over', 'backup  retry'])
  })

  it('is left alone while its owner lives', () => {
    const world = killed('killed-after-manifest')
    for (const { instance } of world.backups.values()) world.alive.add(instance)
    expect(told(world)).toEqual([])
  })
})

describe('a manifest that the history does not know', () => {
  it('is adopted, as are all of them when the history was lost', () => {
    const world = killed('success')
    world.backups.clear()
    world.copies.clear()
    const { actions } = plan(world.desired, observe(world), world.now)
    const adopted = actions.filter((one): one is AdoptAction => one.kind === 'adopt')
    expect(adopted.map(({ subject, because }) => [subject, because.rule])).toEqual([
      ['nas', 'manifest-found'],
      ['usb', 'manifest-found'],
    ])
    act(world, { actions: adopted, warnings: [], kept: [] })
    expect(told(world)).toEqual([])
  })

  it('is not adopted without its archive whole, beside another one, or from strangers', () => {
    const world = killed('success')
    world.backups.clear()
    world.copies.clear()
    const [nas, usb] = [...world.shelves.values()]
    for (const [key, found] of [...(nas?.manifests ?? [])]) {
      nas?.manifests.set(`${key}-moved`, found)
      nas?.manifests.delete(key)
    }
    for (const key of usb?.manifests.keys() ?? []) usb?.objects.delete(key)
    expect(told(world).filter((one) => one.startsWith('adopt'))).toEqual([])
  })

  it('brings a copy back that was missing, without touching the outcome of its backup', () => {
    const world = killed('success')
    for (const one of world.copies.values()) {
      if (one.target === USB) change(world.copies, copyKey(one), { status: 'missing' })
    }
    expect(told(world)).toEqual(['adopt usb copy-found'])
  })

  it('turns a failure into the success that it was, once enough targets prove it', () => {
    const world = killed('success')
    for (const id of world.backups.keys()) change(world.backups, id, { status: 'failed' })
    for (const one of world.copies.values()) {
      change(world.copies, copyKey(one), { status: 'failed' })
    }
    expect(told(world)).toEqual(['adopt nas proven-complete', 'adopt usb proven-complete'])
    expect(told(forget(world, USB))[0]).toBe('adopt nas copy-found')
  })
})
