import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Archive } from '../../src/act/archive.ts'
import { sourceFor } from '../../src/act/place.ts'
import { resolveReference } from '../../src/act/resolve.ts'
import { resolveRequest } from '../../src/act/resolve-request.ts'
import { filesConfig, makeWorkspace } from '../support/holdfast.ts'
import { tarOf } from '../support/tars.ts'
import { inWorld } from '../support/world.ts'

const signal = new AbortController().signal

const TREE = tarOf([{ name: 'a', type: 'file', content: 'a' }])

/** Nobody asks it anything. */
const AWAY = 'docker: { host: "unix:///nonexistent/docker.sock", discover: false }'

const SOURCES = {
  volume: '{ type: volume, volume: data }',
  mysql: '{ type: mysql, container: db }',
  mariadb: '{ type: mariadb, container: db }',
  mongo: '{ type: mongo, container: db }',
  stream: '{ type: command, name: stream, backup: [echo], restore: [cat] }',
  folder: '{ type: command, name: folder, backup: [echo], restore: [cat], collect: out }',
}

function configOf(names: readonly (keyof typeof SOURCES)[]): string {
  const job = (name: keyof typeof SOURCES) =>
    `  ${name}: { sources: [${SOURCES[name]}], targets: [shelf] }`
  const shelf = 'targets: { shelf: { type: local, path: ./shelf } }'
  return ['data_dir: ./state', AWAY, shelf, 'jobs:', ...names.map(job)].join('\n')
}

describe('an archive that nothing says whose it is', () => {
  it.each([
    ['bare.tar.gz', ['volume', 'mysql', 'mongo', 'stream'], 'volume'],
    ['bare.tar.gz', ['mysql', 'mongo', 'stream', 'folder'], 'folder'],
    ['bare.sql.gz', ['volume', 'mysql', 'mongo', 'stream', 'folder'], 'mysql'],
    ['bare.sql.gz', ['volume', 'mariadb', 'mongo', 'stream'], 'mariadb'],
    ['bare.archive.gz', ['volume', 'mysql', 'mongo', 'folder'], 'mongo'],
    ['bare.archive.gz', ['volume', 'mysql', 'stream', 'folder'], 'stream'],
  ] as const)(
    '%s belongs, of sources %s, to the only one that takes such',
    async (name, jobs, job) => {
      await using work = await makeWorkspace(configOf(jobs))
      const content = name.includes('.tar') ? TREE : Buffer.from('select 1;\n')
      await work.write({ [name]: gzipSync(content) })
      await inWorld(work, async (world) => {
        const order = await resolveRequest(`file:${work.at(name)}`, world, signal)
        expect(order.place.job.id).toBe(job)
      })
    },
  )

  it('is refused with the list of those that take such', async () => {
    await using work = await makeWorkspace(configOf(['mysql', 'mariadb', 'folder', 'volume']))
    await work.write({
      'bare.sql.gz': gzipSync('select 1;\n'),
      'bare.tar.gz': gzipSync(TREE),
      'bare.archive.gz': gzipSync('mongo'),
    })
    await inWorld(work, async (world) => {
      const resolved = (name: string) => resolveRequest(`file:${work.at(name)}`, world, signal)
      await expect(resolved('bare.sql.gz')).rejects.toThrow('mysql/db or mariadb/db')
      await expect(resolved('bare.tar.gz')).rejects.toThrow('folder/folder or volume/data')
      await expect(resolved('bare.archive.gz')).rejects.toThrow('no command or mongo source')
    })
  })
})

describe('a database that is named for a restore', () => {
  it('takes nothing but dumps of PostgreSQL, declared or not', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a', 'other/b': 'b' })
    await work.ok(['backup', 'create'])
    await inWorld(work, async (world) => {
      const options = { to: 'database:x', only: null, force: false, direct: false }
      const asked = resolveReference('files/live', options, world, signal)
      await expect(asked).rejects.toThrow('no dump of PostgreSQL')
      const dumpOf = (type: string, layer: string) =>
        ({ name: 'a', layers: [layer], manifest: { source: { type } } }) as unknown as Archive
      for (const [type, layer] of [
        ['mysql', 'sql'],
        ['mongo', 'raw'],
        ['directory', 'tar'],
      ] as const) {
        const undeclared = sourceFor(dumpOf(type, layer), null, 'database:x', world)
        await expect(undeclared).rejects.toThrow('no dump of PostgreSQL')
        const elsewhere = await sourceFor(dumpOf(type, layer), null, work.at('out'), world)
        expect(elsewhere.layer).toBe(layer)
      }
      const undeclared = await sourceFor(dumpOf('postgres', 'tar'), null, 'database:x', world)
      expect(undeclared.layer).toBe('pgdump')
    })
    expect(Object.keys(await work.files('.')).filter((name) => name.includes(':'))).toEqual([])
  })
})
