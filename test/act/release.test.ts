import { readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pin } from '../../src/act/pin.ts'
import { release } from '../../src/act/release.ts'
import type { Copy, Restore } from '../../src/core/model.ts'
import { filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { run } from '../support/processes.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

async function withBackup(): Promise<Workspace> {
  const work = await makeWorkspace(filesConfig())
  await work.write({ 'live/a': 'a' })
  await work.ok(['backup', 'create'])
  return work
}

async function pinsOf(work: Workspace): Promise<readonly string[]> {
  const names = await readdir(work.at('shelf'), { recursive: true })
  return names.filter((name) => name.includes('.pin.json'))
}

describe('a pin', () => {
  it('is set over what a death left of an earlier one', async () => {
    await using work = await withBackup()
    await inWorld(work, async (world) => {
      const { copies } = await world.store.history({ depth: 'full', jobs: null })
      const [copy] = copies as readonly [Copy]
      const path = work.at('shelf', copy.key)
      const name = `.${copy.key.slice(dirname(copy.key).length + 1)}.pin.json.${copy.backup}.part`
      await writeFile(join(dirname(path), name), '{ "vers')
      await pin(copy, 'because', world, signal)
      expect(await pinsOf(work)).toEqual([`${copy.key}.pin.json`])
    })
  })

  it('outlives the first of two restores of its archive, and goes with the last', async () => {
    await using work = await withBackup()
    await work.ok(['restore', 'files', '--yes'])
    await work.ok(['restore', 'files', '--yes'])
    await inWorld(work, async (world) => {
      const { restores } = await world.store.history({ depth: 'recent', jobs: null })
      const [first, second] = restores as readonly [Restore, Restore]
      await release(first, world, signal)
      expect(await pinsOf(work)).toHaveLength(1)
      await release(second, world, signal)
      expect(await pinsOf(work)).toEqual([])
    })
  })
})

describe('a restore that was killed once all was staged', () => {
  it('leaves the old data, and after the next backup no pin and nothing beside the data', async () => {
    await using work = await withBackup()
    await work.write({ 'live/a': 'changed' })
    const killAt: KillOrder = {
      phase: 'staged',
      on: 'commit',
      match: 'insert into "journal"',
      when: 'before',
      nth: 1,
      victim: 'self',
      delay: 0,
      log: work.at('hit'),
    }
    const killed = await run(['restore', 'files', '--yes'], { cwd: work.root, killAt })
    expect(killed).toMatchObject({ signal: 'SIGKILL', hit: true })
    expect(await pinsOf(work)).toHaveLength(1)
    expect((await readdir(work.root)).join()).toContain('.holdfast-staging-')
    await work.ok(['backup', 'create'])
    expect(await work.read('live', 'a')).toBe('changed')
    expect(await pinsOf(work)).toEqual([])
    expect((await readdir(work.root)).join()).not.toContain('.holdfast-')
  })
})
