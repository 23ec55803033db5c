import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { Desired, JobId, TargetId } from '../../src/core/model.ts'
import { type Bounds, createLine, type Line, type Standing } from '../../src/daemon/line.ts'
import type { Fleet } from '../../src/observe/fleet.ts'
import { dice } from '../support/dice.ts'

const NARROW = 'narrow' as TargetId
const NAMES = ['one', 'two', 'three', 'four'] as const
const STRAIT = 'strait' as TargetId
const OTHERS = ['five', 'six', 'seven', 'eight'] as const

let desired: Desired
/** Alone on its state, unless a test says otherwise. */
let world: Bounds
let now: number
let hurried: JobId[]
let line: Line

beforeEach(async () => {
  desired = await configOf()
  world = { desired, fleet: null }
  now = 1_000_000
  hurried = []
  line = createLine(
    (job) => void hurried.push(job),
    () => now,
  )
  line.renew({ asked: new Set(), owed: new Map() }, desired)
})

afterEach(() => rm(desired.dataDir, { recursive: true, force: true }))

async function configOf(): Promise<Desired> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-line-'))
  const source = { type: 'command', name: 'words', backup: ['date'] }
  const target = (path: string) => ({ type: 'local', path, concurrency: 1 })
  const targets = { narrow: target('narrow'), strait: target('strait') }
  const on = (names: readonly string[], ...wanted: string[]) =>
    names.map((name) => [name, { source, targets: wanted }])
  const jobs = Object.fromEntries([
    ...on(NAMES, 'narrow'),
    ...on(OTHERS, 'strait'),
    ...on(['both'], 'narrow', 'strait'),
  ])
  const path = join(folder, 'holdfast.yml')
  await writeFile(path, JSON.stringify({ data_dir: folder, targets, jobs }))
  return await loadConfig({ path, env: {}, cwd: folder })
}

function standing(job: string, urgency: Standing['urgency'] = 'urgent'): Standing {
  return { job: job as JobId, urgency }
}

/** Whether it may ask now. */
const mayAsk = (job: string, urgency?: Standing['urgency']) =>
  line.wait(standing(job, urgency), world) === 0

/** A turn that asks now, and finds a place or none. */
function asks(job: string, full: TargetId | null) {
  const asking = line.ask(standing(job), world)
  asking.onRoom(full)
  if (full !== null) asking.over()
  return asking
}

interface Simulation {
  readonly seed: number
  /** Milliseconds of a turn, at most. */
  readonly longest: number
  readonly until: number
}

/** Jobs that are owed something without an end; how long `both` waited each time, and how often others ran. */
function simulated({ seed, longest, until }: Simulation) {
  const { between } = dice(seed)
  const needs = new Map<string, readonly TargetId[]>([
    ...NAMES.map((name) => [name, [NARROW]] as const),
    ...OTHERS.map((name) => [name, [STRAIT]] as const),
    ['both', [NARROW, STRAIT]],
  ])
  const holder = new Map<TargetId, string>()
  const running = new Map<string, { readonly end: number; readonly over: () => void }>()
  const looks = new Map([...needs.keys()].map((job) => [job, now]))
  const waits: number[] = []
  let [turns, came] = [0, now]
  const look = (job: string, targets: readonly TargetId[]) => {
    const wait = line.wait(standing(job), world)
    looks.set(job, now + wait)
    if (wait > 0) return
    const full = targets.find((target) => holder.has(target)) ?? null
    const { over } = asks(job, full)
    looks.set(job, now + line.wait(standing(job), world))
    if (full !== null) return
    for (const target of targets) holder.set(target, job)
    running.set(job, { end: now + between(1_000, longest), over })
    if (job === 'both') waits.push(now - came)
    else turns++
  }
  const end = (job: string, over: () => void) => {
    running.delete(job)
    for (const target of needs.get(job) ?? []) holder.delete(target)
    looks.set(job, now)
    if (job === 'both') came = now
    over()
  }
  while (now < until) {
    for (const [job, { end: at, over }] of running) if (at <= now) end(job, over)
    for (const job of hurried.splice(0)) looks.set(job, now)
    for (const [job, targets] of needs) {
      if (!running.has(job) && (looks.get(job) ?? 0) <= now) look(job, targets)
    }
    if (hurried.length === 0) now += 100
  }
  return { waits, turns }
}

describe('the line for a full target', () => {
  it('lets only the first one ask, and that again when a place was let go of here', () => {
    expect(mayAsk('one')).toBe(true)
    const turn = asks('one', null)
    expect(mayAsk('two')).toBe(true)
    asks('two', NARROW)
    expect([mayAsk('two'), mayAsk('three'), mayAsk('four')]).toEqual([false, false, false])
    expect(hurried).toEqual([])
    turn.over()
    expect(hurried).toEqual(['two'])
    expect([mayAsk('four'), mayAsk('three'), mayAsk('two')]).toEqual([false, false, true])
    // There may be another place.
    const next = asks('two', null)
    expect(hurried).toEqual(['two', 'three'])
    expect(mayAsk('three')).toBe(true)
    asks('three', NARROW)
    next.over()
    expect(hurried).toEqual(['two', 'three', 'three'])
  })

  it('has the first one ask now and then for what others let go of', () => {
    asks('one', NARROW)
    expect(mayAsk('one')).toBe(false)
    expect(line.wait(standing('two'), world)).toBe(15_000)
    now += line.wait(standing('one'), world)
    expect([mayAsk('one'), mayAsk('two')]).toEqual([true, false])
  })

  it('has backups stand before work that can wait, and keeps the place of who asks in vain', () => {
    asks('one', NARROW)
    expect(mayAsk('two', 'patient')).toBe(false)
    expect(mayAsk('three')).toBe(false)
    asks('one', NARROW)
    line.leave('one' as JobId)
    expect(mayAsk('two', 'patient')).toBe(false)
    expect(mayAsk('three')).toBe(true)
    line.leave('three' as JobId)
    expect(hurried).toEqual(['three', 'two'])
  })

  it('is not held up by who is owed nothing any more, or has no turn for another reason', () => {
    for (const job of NAMES) asks(job, NARROW)
    const asked = new Set(['one', 'two'] as JobId[])
    line.renew({ asked, owed: new Map([['two' as JobId, []]]) }, desired)
    expect(hurried).toEqual(['two'])
    line.leave('two' as JobId)
    expect(hurried).toEqual(['two', 'three'])
    line.ask(standing('three'), world).over()
    expect(hurried).toEqual(['two', 'three', 'four'])
  })

  it('begins anew under another config, whatever turns of the one before have to tell', async () => {
    const asking = line.ask(standing('one'), world)
    asks('two', NARROW)
    const other = { ...desired }
    line.renew({ asked: new Set(), owed: new Map() }, other)
    asking.onRoom(NARROW)
    asking.over()
    expect(line.wait(standing('three'), { ...world, desired: other })).toBe(0)
  })

  it('keeps for one that finds another of its targets full the age that it has', () => {
    asks('both', NARROW)
    for (const job of OTHERS) asks(job, STRAIT)
    asks('both', STRAIT)
    expect(hurried).toEqual([])
    line.leave('five' as JobId)
    expect(hurried).toEqual([])
    asks('one', NARROW)
    asks('both', NARROW)
    expect(hurried).toEqual(['six'])
    line.leave('both' as JobId)
    expect(hurried).toEqual(['six', 'one'])
    // It comes anew.
    asks('both', NARROW)
    line.leave('one' as JobId)
    expect(hurried).toEqual(['six', 'one', 'both'])
  })

  it('keeps nothing for one that is away, and tells those who waited for that', () => {
    for (const full of [NARROW, STRAIT, NARROW, STRAIT]) asks('both', full)
    expect([mayAsk('one'), mayAsk('five')]).toEqual([false, false])
    now += 6_000
    expect(mayAsk('both')).toBe(true)
    hurried.length = 0
    line.leave('both' as JobId)
    expect(hurried.toSorted()).toEqual(['five', 'one'])
    expect([mayAsk('one'), mayAsk('five')]).toEqual([true, true])
  })

  it.each([1, 2, 3, 4, 5])(
    'has one of two targets wait for those before it and a few turns more (%i)',
    (seed) => {
      const longest = 60_000
      const { waits, turns } = simulated({ seed, longest, until: now + 4 * 3_600_000 })
      // Four on each target may have come before it; then three moves, and what is kept for it.
      expect(Math.max(...waits)).toBeLessThanOrEqual((4 + 3 + 1) * longest)
      expect(waits.length).toBeGreaterThan(20)
      // That costs the others some of the time, and not most of it.
      expect(turns).toBeGreaterThan(250)
    },
  )

  it('leaves places to other instances once in a while, and to nobody where there are none', () => {
    // Two that take turns without an end, ten seconds each.
    const rounds = () => {
      let left = 0
      for (let round = 0; round < 30; round++) {
        const [runs, waits] = round % 2 === 0 ? ['one', 'two'] : ['two', 'one']
        const turn = asks(runs, null)
        asks(waits, NARROW)
        hurried.length = 0
        now += 10_000
        turn.over()
        if (hurried.length === 0) {
          left++
          const wait = line.wait(standing(waits), world)
          expect(wait).toBeGreaterThan(5_000)
          now += wait
        }
        expect(mayAsk(waits)).toBe(true)
      }
      return left
    }
    expect(rounds()).toBe(0)
    world = { desired, fleet: {} as Fleet }
    expect(rounds()).toBeGreaterThan(3)
  })
})
