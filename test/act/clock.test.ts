import { describe, expect, it } from 'vitest'
import { commandLine } from '../support/command-line.ts'
import { type Document, filesConfig, makeWorkspace } from '../support/holdfast.ts'

const NOVEMBER = Date.parse('2026-11-20T12:00:00Z')
const DAY = 24 * 60 * 60 * 1000

describe('a clock that jumps', () => {
  it('back from the future: copies from then are neither counted nor deleted, and new ones are kept', async () => {
    await using work = await makeWorkspace(filesConfig('retention: { keep_last: 2 }'))
    await work.write({ 'live/a': 'a' })
    let at = NOVEMBER
    const run = async (...words: readonly string[]) => {
      const said = await commandLine(words, { cwd: work.root, now: () => at })
      if (said.code !== 0) throw new Error(`${words.join(' ')}: ${said.code}\n${said.err}`)
      return said
    }
    const list = async (): Promise<readonly Document[]> =>
      (await run('backup', 'list', '--json')).document().backups

    await run('backup', 'create')
    at = NOVEMBER + 3650 * DAY
    await run('backup', 'create')
    at += 1000
    await run('backup', 'create')
    // Two of the future and one of the past, of which retention would keep two.
    at = NOVEMBER + DAY
    await run('backup', 'create')
    const mixed = await list()
    expect(mixed.map(({ startedAt }) => startedAt.slice(0, 10)).sort()).toEqual([
      '2026-11-21',
      '2036-11-17',
      '2036-11-17',
    ])
    for (let time = 2; time < 5; time++) {
      at = NOVEMBER + time * DAY
      await run('backup', 'create')
    }
    const later = await list()
    expect(later.map(({ startedAt }) => startedAt.slice(0, 10))).toEqual([
      '2036-11-17',
      '2036-11-17',
      '2026-11-24',
      '2026-11-23',
    ])
    expect(later.slice(2).map(({ keptBecause }) => keptBecause)).toEqual([['last-1'], ['last-2']])
    const plan = (await run('plan', '--json')).document()
    expect(plan.summary).toMatchObject({ deletes: 0 })
    await run('backup', 'verify', '--all')
    await run('restore', 'files', '--to', work.at('out'))
  })

  it('back after a restore: no backup is made for it again and again, and what was there is kept', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'old' })
    let at = NOVEMBER
    const run = (...words: readonly string[]) =>
      commandLine(words, { cwd: work.root, now: () => at })
    await run('backup', 'create')
    await work.write({ 'live/a': 'new' })
    at += 3650 * DAY
    expect((await run('restore', 'files', '--yes')).code).toBe(0)
    for (let time = 1; time < 4; time++) {
      at = NOVEMBER + time * DAY
      expect((await run('apply', '--yes')).code).toBe(0)
    }
    expect((await work.archives('shelf')).length).toBeLessThanOrEqual(2)
    const kept = Object.entries(await work.files()).filter(([name]) => name.includes('previous'))
    expect(kept.map(([, content]) => content)).toEqual(['new'])
  })

  it('back after a job was applied: its first run is had once', async () => {
    await using work = await makeWorkspace(filesConfig('first_run: now'))
    let at = NOVEMBER + 3650 * DAY
    const run = (...words: readonly string[]) =>
      commandLine(words, { cwd: work.root, now: () => at })
    expect((await run('apply', '--yes')).code).toBe(1)
    await work.write({ 'live/a': 'a' })
    for (let time = 1; time < 4; time++) {
      at = NOVEMBER + time * DAY
      expect((await run('apply', '--yes')).code).toBe(0)
    }
    expect(await work.archives('shelf')).toHaveLength(1)
  })

  it('to an instant that was there before: what was written then is not overwritten, and stays sound', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'first' })
    const setting = { cwd: work.root, now: () => NOVEMBER }
    expect((await commandLine(['backup', 'create'], setting)).code).toBe(0)
    const before = await work.files('shelf')
    await work.write({ 'live/a': 'second' })
    const again = await commandLine(['backup', 'create'], setting)
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('exists already')])
    expect(await work.files('shelf')).toEqual(before)
    const applied = await commandLine(['apply', '--yes'], setting)
    expect(applied.code).toBe(0)
    expect(await work.files('shelf')).toEqual(before)
    expect((await commandLine(['backup', 'verify', '--all'], setting)).code).toBe(0)
    await work.write({ 'live/a': 'third' })
    const later = { ...setting, now: () => NOVEMBER + 1 }
    expect((await commandLine(['backup', 'create'], later)).code).toBe(0)
  })

  it('while a backup runs: its end is not before its start, and its manifest is taken', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    let at = NOVEMBER
    // Every look at the clock finds it a minute earlier.
    const backwards = () => {
      at -= 60_000
      return at
    }
    const made = await commandLine(['backup', 'create', '--json'], {
      cwd: work.root,
      now: backwards,
    })
    expect(made.code).toBe(0)
    const cwd = work.root
    const verified = await commandLine(['backup', 'verify', '--all'], { cwd, now: () => NOVEMBER })
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('sound')])
    const restored = await commandLine(['restore', 'files', '--to', work.at('out')], { cwd })
    expect(restored.code).toBe(0)
  })
})
