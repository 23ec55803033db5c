import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { TargetId } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { TargetUnreachable } from '../../src/lib/errors.ts'
import { provePlace, type SharedPlace } from '../../src/observe/place.ts'
import { local } from '../../src/targets/local.ts'
import { surroundings } from '../support/surroundings.ts'

/** How long a disk may take here, in milliseconds. */
const LIMIT = 1_500

let folder: string
let facts: Map<string, string>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-place-'))
  facts = new Map()
})

afterEach(() => rm(folder, { recursive: true }))

function placeAt(name: string, wait = 0): SharedPlace {
  return {
    id: 'shelf' as TargetId,
    target: local.configure(section('targets.shelf', { path: join(folder, name) }), surroundings()),
    store: {
      async fact(key) {
        await sleep(wait)
        return facts.get(key) ?? null
      },
      async saveFact(key, value) {
        if (value !== null) facts.set(key, value)
      },
    },
    newId: () => 'the-first-one',
    limit: LIMIT,
  }
}

it('is known again by its mark, and another folder is not taken for it', async () => {
  await provePlace(placeAt('one'))
  await provePlace(placeAt('one'))
  await expect(provePlace(placeAt('other'))).rejects.toThrow(TargetUnreachable)
})

it('is not held to its time while the state is waited for', async () => {
  await provePlace(placeAt('one', LIMIT + 200))
  await provePlace(placeAt('one', LIMIT + 200))
  expect([...facts.values()]).toEqual(['the-first-one'])
})
