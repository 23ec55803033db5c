import { describe, expect, it } from 'vitest'
import type { CopyAction } from '../../src/core/action.ts'
import type {
  Bytes,
  Copy,
  DesiredJob,
  Encryption,
  Retention,
  TargetId,
} from '../../src/core/model.ts'
import { plan } from '../../src/core/plan.ts'
import { at, desired, GONE, job, target } from './plan-nouns.ts'
import { act, change, copyKey, createWorld, drop, observe, type World } from './plan-world.ts'

const NAS = 'nas' as TargetId
const USB = 'usb' as TargetId
const CLOSED: Encryption = {
  scheme: 'age',
  recipients: ['age1x'],
  passphraseFile: null,
  identityFiles: [],
}

/** A job of two targets that has backed up on three nights. */
function lived(keep: Partial<Retention> = {}, changes: Partial<DesiredJob> = {}): World {
  const shop = job('shop', { targets: ['nas', 'usb'], keep }, { maxDelete: 1, ...changes })
  const world = createWorld(
    desired([target('nas'), target('usb')], [shop]),
    at('2026-11-17T01:00:00Z'),
  )
  for (const night of ['17', '18', '19', '20']) {
    if (night === '17') act(world, plan(world.desired, observe(world), world.now))
    world.now = at(`2026-11-${night}T02:00:05Z`)
    if (night === '20') break
    for (let round = 0; round < 3; round++)
      act(world, plan(world.desired, observe(world), world.now))
  }
  world.now = at('2026-11-19T12:00:00Z')
  return world
}

function copiesPlanned(world: World): readonly CopyAction[] {
  return plan(world.desired, observe(world), world.now).actions.filter((one) => one.kind === 'copy')
}

/** The copies on a target, oldest first. */
function on(world: World, where: TargetId): readonly Copy[] {
  return [...world.copies.values()]
    .filter(({ target: id }) => id === where)
    .sort((one, other) => one.takenAt - other.takenAt)
}

function lose(world: World, copy: Copy | undefined, status: Copy['status'] = 'missing'): void {
  if (!copy) throw new Error('no such copy')
  drop(world, copy)
  change(world.copies, copyKey(copy), { status })
}

describe('a copy that a target lacks', () => {
  it('is made from a healthy one where it failed, went missing or was cut short', () => {
    for (const status of ['failed', 'missing', 'writing'] as const) {
      const world = lived()
      const lost = on(world, USB)[1]
      lose(world, lost, status)

      expect(copiesPlanned(world)).toEqual([
        {
          kind: 'copy',
          subject: 'shop',
          target: USB,
          from: on(world, NAS)[1],
          because: { rule: 'copy-lost', status },
        },
      ])
      act(world, plan(world.desired, observe(world), world.now))
      expect(copiesPlanned(world)).toEqual([])
    }
  })

  it('is not made where it was let go, or where the retention of the target would let it go', () => {
    const pruned = lived()
    lose(pruned, on(pruned, USB)[1], 'pruned')
    expect(copiesPlanned(pruned)).toEqual([])

    const tight = lived({ keepLast: 1 })
    const [shop] = tight.desired.jobs
    if (!shop) throw new Error('no job')
    const [nas, usb] = shop.targets
    if (!nas || !usb) throw new Error('no targets')
    const world = lived()
    lose(world, on(world, USB)[1])
    const wanted = {
      ...shop,
      targets: [{ ...nas, retention: { ...nas.retention, keepAll: true } }, usb],
    }
    expect(copiesPlanned({ ...world, desired: { ...world.desired, jobs: [wanted] } })).toEqual([])
  })

  it('takes the place of an archive whose manifest is gone, which nothing overwrites', () => {
    const world = lived()
    const lost = on(world, USB)[1]
    if (!lost) throw new Error('no copy')
    world.shelves.get(USB)?.objects.delete(`${lost.key}.manifest.json`)
    world.shelves.get(USB)?.manifests.delete(lost.key)
    change(world.copies, copyKey(lost), { status: 'missing' })
    const { actions } = plan(world.desired, observe(world), world.now)
    expect(actions).toMatchObject([
      { kind: 'debris', subject: USB, object: { kind: 'archive', key: lost.key } },
      { kind: 'copy', target: USB, because: { rule: 'copy-lost' } },
    ])
    // Where nothing else holds the backup, the archive alone is what is left of it.
    lose(world, on(world, NAS)[1])
    expect(plan(world.desired, observe(world), world.now).actions).toEqual([])
  })

  it('is not made where it lies already and was only never noted, the process having died', () => {
    const world = lived()
    const newest = on(world, USB).at(-1)
    if (!newest) throw new Error('no copy')
    change(world.copies, copyKey(newest), { status: 'writing' })
    change(world.backups, newest.backup, { status: 'running', instance: GONE })
    const { actions } = plan(world.desired, observe(world), world.now)
    expect(actions.map(({ kind }) => kind)).toContain('adopt')
    expect(copiesPlanned(world)).toEqual([])
  })

  it('is the newest alone on a target that never had any', () => {
    const world = lived()
    for (const copy of on(world, USB)) {
      drop(world, copy)
      world.copies.delete(copyKey(copy))
    }
    expect(copiesPlanned(world)).toMatchObject([
      { target: USB, from: on(world, NAS)[2], because: { rule: 'copy-lagging' } },
    ])
  })

  it('is never made from one that failed to verify, lacks its manifest, or cannot be seen', () => {
    const damaged = lived()
    lose(damaged, on(damaged, USB)[1])
    const source = on(damaged, NAS)[1]
    if (!source) throw new Error('no copy')
    change(damaged.copies, copyKey(source), { verify: 'failed' })
    expect(copiesPlanned(damaged)).toEqual([])

    const headless = lived()
    lose(headless, on(headless, USB)[1])
    const kept = on(headless, NAS)[1]
    headless.shelves.get(NAS)?.objects.delete(`${kept?.key}.manifest.json`)
    expect(copiesPlanned(headless)).toEqual([])

    for (const where of [NAS, USB]) {
      const away = lived()
      lose(away, on(away, USB)[1])
      const shelf = away.shelves.get(where)
      if (shelf) shelf.state = 'unreachable'
      expect(copiesPlanned(away)).toEqual([])
    }
  })

  it('is taken from the copy that was verified, where one was', () => {
    const shop = job('shop', { targets: ['nas', 'usb', 'far'] })
    const wanted = desired([target('nas'), target('usb'), target('far')], [shop])
    const world = createWorld(wanted, at('2026-11-17T01:00:00Z'))
    act(world, plan(wanted, observe(world), world.now))
    world.now = at('2026-11-17T02:00:05Z')
    for (let round = 0; round < 3; round++) act(world, plan(wanted, observe(world), world.now))
    const [proven] = on(world, USB)
    if (!proven) throw new Error('no copy')
    change(world.copies, copyKey(proven), { verify: 'ok', verifiedAt: world.now })
    lose(world, on(world, 'far' as TargetId)[0])
    expect(copiesPlanned(world)).toMatchObject([{ from: { target: USB } }])
  })

  it('is closed on its way to a target that wants it closed, and never opened for one that does not', () => {
    const world = lived()
    lose(world, on(world, USB)[1])
    const [shop] = world.desired.jobs
    if (!shop) throw new Error('no job')
    const ways = (nas: Encryption | null, usb: Encryption | null) => {
      const targets = shop.targets.map((one) => ({
        ...one,
        encryption: one.target === NAS ? nas : usb,
      }))
      const jobs = [{ ...shop, targets }]
      return copiesPlanned({ ...world, desired: { ...world.desired, jobs } }).length
    }
    expect(ways(null, null)).toBe(1)
    expect(ways(null, CLOSED)).toBe(1)
    expect(ways(CLOSED, CLOSED)).toBe(1)
    expect(ways(CLOSED, null)).toBe(0)
  })

  it('waits while its job is paused or its source is being put back', () => {
    const world = lived()
    lose(world, on(world, USB)[1])
    const jobs = world.desired.jobs.map((one) => ({ ...one, enabled: false }))
    expect(copiesPlanned({ ...world, desired: { ...world.desired, jobs } })).toEqual([])
  })
})

describe('a copy that another process may be at', () => {
  it('is neither debris nor made again by a look that does not hold its job', () => {
    const world = lived()
    const torn = on(world, USB)[1]
    if (!torn) throw new Error('no copy')
    change(world.copies, copyKey(torn), { status: 'writing' })
    world.shelves.get(USB)?.objects.delete(`${torn.key}.manifest.json`)
    world.shelves.get(USB)?.manifests.delete(torn.key)
    const kinds = (underLease: boolean) =>
      plan(world.desired, { ...observe(world), underLease }, world.now).actions.flatMap(
        ({ kind }) => (kind === 'copy' || kind === 'debris' ? [kind] : []),
      )
    expect(kinds(false)).toEqual([])
    expect(kinds(true)).toEqual(['debris', 'copy'])
  })
})

describe('an archive of another size that stands there with its manifest', () => {
  it('is not copied over, for nothing is overwritten', () => {
    const world = lived()
    const short = on(world, USB)[1]
    if (!short) throw new Error('no copy')
    change(world.copies, copyKey(short), { status: 'missing' })
    expect(copiesPlanned(world)).toEqual([])
  })
})

describe('what a killed copy left unfinished', () => {
  it('is found by its key, its manifest too: the token is of that try alone', () => {
    const world = lived()
    const [first] = on(world, USB)
    if (!first) throw new Error('no copy')
    for (const key of [first.key, `${first.key}.manifest.json`]) {
      const upload = { key, token: `${first.backup}.sometry`, bytes: 7 as Bytes }
      world.shelves.get(USB)?.unfinished.set(key, upload)
    }
    const { actions } = plan(world.desired, observe(world), world.now)
    const swept = actions.flatMap((one) =>
      one.kind === 'debris' && one.object.kind === 'unfinished' ? [one.object.unfinished.key] : [],
    )
    expect(swept).toEqual([first.key, `${first.key}.manifest.json`])
  })
})
