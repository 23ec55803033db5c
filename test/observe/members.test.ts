import { describe, expect, it } from 'vitest'
import type { Member } from '../../src/core/members.ts'
import { knownMembers, lookForMembers, rememberMembers } from '../../src/observe/members.ts'
import type { World } from '../../src/observe/world.ts'
import type { SourceKind } from '../../src/sources/source.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

const CONFIG = `
data_dir: ./state
targets: { shelf: { type: local, path: ./shelf } }
jobs:
  here: { sources: [{ type: postgres, url: postgres://here.invalid/x, databases: all }], targets: [shelf] }
  there: { sources: [{ type: postgres, url: postgres://there.invalid/x, databases: all }], targets: [shelf] }
`

/** What the server of each job has; null: it does not answer. */
type Servers = Record<'here' | 'there', readonly string[] | null>

const memberOf = (name: string): Member => ({
  name,
  kind: 'postgres',
  options: { databases: name },
})

/** Two jobs, each of all databases of a server that has those of `servers`, over a real state. */
async function inPlace(work: (world: World, servers: Servers) => Promise<void>): Promise<void> {
  await using workspace = await makeWorkspace(CONFIG)
  const servers: Servers = { here: ['crm'], there: ['shop'] }
  await inWorld(workspace, async (world) => {
    const kind: SourceKind = {
      kind: 'postgres',
      configure: () => {
        throw new Error('nobody backs up here')
      },
      async members(section) {
        const databases = servers[section.path.includes('there') ? 'there' : 'here']
        if (databases === null) throw new Error('no answer')
        return section.optional('databases') === 'all' ? databases.map(memberOf) : null
      },
    }
    const plugins = { ...world.plugins, sources: new Map([['postgres', async () => kind]]) }
    await work({ ...world, plugins }, servers)
  })
}

async function look(world: World) {
  return await lookForMembers(world.desired, world, { signal })
}

/** Databases by the job that stands for them, as the state has them. */
async function remembered({ store }: World): Promise<Readonly<Record<string, readonly string[]>>> {
  const known = [...(await knownMembers(store))]
  return Object.fromEntries(
    known.map(([key, { members }]) => [
      key.replace(/\/.*/, ''),
      members.flatMap(({ source, isGone }) => (isGone ? [] : [source])),
    ]),
  )
}

describe('what a look found declarations to stand for', () => {
  it('is remembered, and told where it is news', async () => {
    await inPlace(async (world, servers) => {
      await rememberMembers(await look(world), world)
      expect(await remembered(world)).toEqual({ here: ['crm'], there: ['shop'] })
      servers.here = ['crm', 'wiki']
      await rememberMembers(await look(world), world)
      expect(await remembered(world)).toEqual({ here: ['crm', 'wiki'], there: ['shop'] })
      servers.here = null
      await rememberMembers(await look(world), world)
      expect(await remembered(world)).toEqual({ here: ['crm', 'wiki'], there: ['shop'] })
    })
  })

  it('leaves alone what another instance told meanwhile of one that could not be asked', async () => {
    await inPlace(async (world, servers) => {
      await rememberMembers(await look(world), world)
      servers.there = null
      const ours = await look(world)
      servers.there = ['shop', 'more']
      await rememberMembers(await look(world), world)
      await rememberMembers(ours, world)
      expect(await remembered(world)).toEqual({ here: ['crm'], there: ['shop', 'more'] })
    })
  })

  it('leaves alone what another instance told meanwhile of one that is here as it was', async () => {
    await inPlace(async (world, servers) => {
      await rememberMembers(await look(world), world)
      const ours = await look(world)
      servers.here = ['crm', 'made-meanwhile']
      await rememberMembers(await look(world), world)
      await rememberMembers(ours, world)
      expect(await remembered(world)).toEqual({ here: ['crm', 'made-meanwhile'], there: ['shop'] })
    })
  })

  it('leaves alone what another instance told meanwhile of jobs that are not here', async () => {
    await inPlace(async (world) => {
      const { desired } = world
      const jobs = desired.jobs.filter(({ id }) => id === 'here')
      const ours = await lookForMembers({ ...desired, jobs }, world, { signal })
      await rememberMembers(await look(world), world)
      await rememberMembers(ours, world)
      expect(await remembered(world)).toEqual({ here: ['crm'], there: ['shop'] })
    })
  })
})
