import { readdir, readFile, writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { poll } from '../support/daemon.ts'
import { openGate } from './gate.ts'
import { type Loop, makeLoop } from './loop.ts'

const JUST_BEFORE = '2026-11-20T01:59:00Z'
const SLOT = '2026-11-20T02:00:00Z'

let loop: Loop

afterEach(() => loop[Symbol.asyncDispose]())

const TARGETS = { here: { type: 'local', path: 'target' } }

/** A source that leaves a line in `runs` each time, and then does as the shell says. */
function counting(script = 'echo content', runs = 'runs'): object {
  return {
    type: 'command',
    name: 'count',
    backup: ['sh', '-c', `echo run >> ${runs}; ${script}`],
    cwd: '.',
  }
}

function job(more: object = {}): object {
  return { schedule: '0 2 * * *', source: counting(), ...more }
}

async function runs(name = 'runs'): Promise<number> {
  const text = await readFile(loop.at(name), 'utf8').catch(() => '')
  return text.split('\n').length - 1
}

describe('a slot', () => {
  it('is run once when it comes, not before and not again', async () => {
    loop = await makeLoop({ targets: TARGETS, jobs: { a: job() } }, { now: JUST_BEFORE })
    await loop.quiet()
    expect(await runs()).toBe(0)
    loop.setTime(SLOT)
    await loop.quiet()
    loop.setTime('2026-11-20T23:00:00Z')
    await loop.quiet()
    expect(await runs()).toBe(1)
    const { backups } = await loop.history()
    expect(backups).toMatchObject([{ slot: Date.parse(SLOT), trigger: 'schedule', attempt: 1 }])
  })

  it('of a job that the file names anew is the first after that; a job taken out runs no more', async () => {
    const hourly = (name: string) =>
      job({ schedule: '0 * * * *', source: counting('echo x', name) })
    loop = await makeLoop({ targets: TARGETS, jobs: { a: hourly('a') } }, { now: JUST_BEFORE })
    loop.setTime(SLOT)
    await loop.quiet()
    await loop.configure({ targets: TARGETS, jobs: { a: hourly('a'), b: hourly('b') } })
    await loop.quiet()
    expect([await runs('a'), await runs('b')]).toEqual([1, 0])
    loop.setTime('2026-11-20T03:00:00Z')
    await loop.quiet()
    expect([await runs('a'), await runs('b')]).toEqual([2, 1])
    await loop.configure({ targets: TARGETS, jobs: { b: hourly('b') } })
    loop.setTime('2026-11-20T04:00:00Z')
    await loop.quiet()
    expect([await runs('a'), await runs('b')]).toEqual([2, 2])
  })

  it('is skipped and recorded once when the run before still works, and the next one runs', async () => {
    await using gate = await openGate()
    const slow = job({ schedule: '0 * * * *', source: counting(`cat ${gate.path}`) })
    loop = await makeLoop({ targets: TARGETS, jobs: { a: slow } }, { now: JUST_BEFORE })
    loop.setTime(SLOT)
    await loop.pass()
    await poll(async () => (await runs()) === 1, 'the run')
    loop.setTime('2026-11-20T03:00:00Z')
    for (let again = 0; again < 3; again++) await loop.pass()
    expect(loop.named('backup.skipped')).toMatchObject([
      { job: 'a', detail: { slot: '2026-11-20T03:00:00.000Z', rule: 'still-running' } },
    ])
    await gate.pass('content')
    await loop.quiet()
    loop.setTime('2026-11-20T04:00:00Z')
    await loop.pass()
    await poll(async () => (await runs()) === 2, 'the next run')
    await gate.pass('content')
    await loop.quiet()
    const { runs: rows } = await loop.history()
    expect(rows.map(({ status }) => status).sort()).toEqual(['skipped', 'success', 'success'])
  })

  it('that nobody saw is caught up, and however many there were, as one run', async () => {
    const hourly = job({ schedule: '0 * * * *' })
    loop = await makeLoop({ targets: TARGETS, jobs: { a: hourly } }, { now: JUST_BEFORE })
    loop.setTime(SLOT)
    await loop.quiet()
    await loop.restart(async () => loop.setTime('2026-11-23T07:30:00Z'))
    await loop.quiet()
    expect(await runs()).toBe(2)
    const { backups } = await loop.history()
    expect(backups.find(({ trigger }) => trigger === 'catch-up')).toMatchObject({
      slot: Date.parse('2026-11-23T07:00:00Z'),
      status: 'success',
    })
  })

  it('without any target is skipped with the reason, once', async () => {
    loop = await makeLoop({ jobs: { a: job() } }, { now: JUST_BEFORE })
    loop.setTime(SLOT)
    await loop.quiet()
    await loop.quiet()
    expect(loop.named('backup.skipped')).toHaveLength(1)
    expect(await runs()).toBe(0)
  })
})

describe('a failed slot', () => {
  it('is tried again after a minute and after four, and is then spent', async () => {
    const failing = job({ source: counting('exit 3'), retry: { attempts: 3, within: '2h' } })
    loop = await makeLoop({ targets: TARGETS, jobs: { a: failing } }, { now: JUST_BEFORE })
    const seen: [string, number][] = []
    const times = [
      '02:00:00',
      '02:00:50',
      '02:01:10',
      '02:04:50',
      '02:05:30',
      '02:30:00',
      '12:00:00',
    ]
    for (const time of times) {
      loop.setTime(`2026-11-20T${time}Z`)
      await loop.quiet()
      await loop.quiet()
      seen.push([time, await runs()])
    }
    expect(seen).toEqual([
      ['02:00:00', 1],
      ['02:00:50', 1],
      ['02:01:10', 2],
      ['02:04:50', 2],
      ['02:05:30', 3],
      ['02:30:00', 3],
      ['12:00:00', 3],
    ])
    const { backups } = await loop.history()
    expect(backups.map(({ attempt }) => attempt).sort()).toEqual([1, 2, 3])
    expect(loop.named('backup.failed')).toHaveLength(3)

    loop.setTime('2026-11-21T02:00:00Z')
    await loop.quiet()
    expect(await runs()).toBe(4)
  })

  it('is not tried again once `within` is over', async () => {
    const failing = job({ source: counting('exit 3'), retry: { attempts: 5, within: '10m' } })
    loop = await makeLoop({ targets: TARGETS, jobs: { a: failing } }, { now: JUST_BEFORE })
    loop.setTime(SLOT)
    await loop.quiet()
    loop.setTime('2026-11-20T02:10:30Z')
    await loop.quiet()
    expect(await runs()).toBe(1)
  })

  it('owes its second attempt only to the sources that failed', async () => {
    const sources = [
      counting('echo ok', 'good'),
      { ...counting('test -e mended && echo ok', 'bad'), name: 'bad' },
    ]
    loop = await makeLoop(
      { targets: TARGETS, jobs: { a: { schedule: '0 2 * * *', sources } } },
      { now: JUST_BEFORE },
    )
    loop.setTime(SLOT)
    await loop.quiet()
    await writeFile(loop.at('mended'), '')
    loop.setTime('2026-11-20T02:01:30Z')
    await loop.quiet()
    expect([await runs('good'), await runs('bad')]).toEqual([1, 2])
  })
})

describe('a clock that jumps', () => {
  it('back takes no slot twice, and forward owes one run for all that it passed', async () => {
    const now = '2026-11-18T12:00:00Z'
    loop = await makeLoop({ targets: TARGETS, jobs: { a: job() } }, { now })
    const seen: number[] = []
    for (const day of ['11-19T02:00', '11-20T02:00', '11-19T12:00', '11-20T02:01', '12-24T12:00']) {
      loop.setTime(`2026-${day}:00Z`)
      await loop.quiet()
      seen.push(await runs())
    }
    expect(seen).toEqual([1, 2, 2, 2, 3])
  })
})

describe('first_run: now', () => {
  it('runs a new job at once and once, also when its schedule is edited later', async () => {
    const eager = (schedule: string) => ({
      targets: TARGETS,
      jobs: { a: job({ schedule, first_run: 'now' }), b: job({ source: counting('echo x', 'b') }) },
    })
    loop = await makeLoop(eager('0 2 * * *'), { now: JUST_BEFORE })
    await loop.quiet()
    await loop.restart()
    await loop.quiet()
    expect([await runs(), await runs('b')]).toEqual([1, 0])
    await loop.configure(eager('0 5 * * *'))
    await loop.quiet()
    expect(await runs()).toBe(1)
  })
})

describe('limits', () => {
  it('keep no more jobs at work at once than `concurrency` says', async () => {
    await using gate = await openGate()
    const source = counting(`cat ${gate.path}`)
    const jobs = { a: job({ source }), b: job({ source }), c: job({ source }) }
    const limits = { concurrency: 1 }
    loop = await makeLoop({ targets: TARGETS, jobs, limits }, { now: JUST_BEFORE })
    loop.setTime(SLOT)
    for (let count = 1; count <= 3; count++) {
      await loop.pass()
      await loop.pass()
      await poll(async () => (await runs()) === count, `run ${count}`)
      expect(loop.named('backup.started')).toHaveLength(count)
      expect(loop.named('backup.done')).toHaveLength(count - 1)
      await gate.pass('content')
      await poll(() => loop.underWay() === 0, 'its end')
    }
    expect(loop.named('backup.done')).toHaveLength(3)
  })

  it('end a program that hangs, with `time_limit` and nothing left behind', async () => {
    const source = counting('echo part; echo $$ > pid; exec sleep 600')
    const limits = { max_duration: '8s' }
    const retry = { attempts: 1 }
    loop = await makeLoop(
      { targets: TARGETS, jobs: { a: job({ source, retry }) }, limits },
      { now: JUST_BEFORE },
    )
    loop.setTime(SLOT)
    await loop.quiet()
    const [failed] = loop.named('backup.failed')
    expect(failed?.error).toMatchObject({ code: 'time_limit' })
    const pid = Number(await readFile(loop.at('pid'), 'utf8'))
    await poll(() => !isAlive(pid), 'the end of the program')
    expect(await objects()).toEqual([])
  })

  it('make a backup as slow as `bandwidth` says', async () => {
    const source = counting('head -c 3000000 /dev/urandom')
    const config = (more: object) => ({ targets: TARGETS, jobs: { a: job({ source }) }, ...more })
    loop = await makeLoop(config({}), { now: JUST_BEFORE })
    const took: number[] = []
    for (const [day, more] of [
      ['20', {}],
      ['21', { limits: { bandwidth: '1MB' } }],
    ] as const) {
      await loop.configure(config(more))
      loop.setTime(`2026-11-${day}T02:00:00Z`)
      await loop.quiet()
      took.push(loop.named('backup.done').at(-1)?.durationMs ?? 0)
    }
    const [free = 0, bounded = 0] = took
    console.log(`bandwidth: 3 MB in ${free} ms free, in ${bounded} ms at 1 MB/s`)
    // Not against the free one: a machine that has other things to do is slower than any bound.
    expect(bounded).toBeGreaterThan(1500)
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Every file on the target. */
async function objects(): Promise<readonly string[]> {
  const found = await readdir(loop.at('target'), { recursive: true, withFileTypes: true })
  return found.filter((entry) => entry.isFile()).map(({ name }) => name)
}
