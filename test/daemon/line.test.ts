import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { Desired, JobId, TargetId } from '../../src/core/model.ts'
import { type Bounds, createLine, type Line, type Standing } from '../../src/daemon/line.ts'
import type { Fleet } from '../../src/observe/fleet.ts'

const NARROW = 'narrow' as TargetId
const NAMES = ['one', 'two', 'three', 'four'] as const

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
  const targets = { narrow: { type: 'local', path: 'narrow', concurrency: 1 } }
  const jobs = Object.fromEntries(NAMES.map((name) => [name, { source, targets: ['narrow'] }]))
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
