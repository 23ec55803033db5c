import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { type Gate, openGate } from './gate.ts'

let server: PostgresServer
let gate: Gate
let work: Workspace
let state: string

beforeAll(async () => {
  server = await startPostgres(HASTY)
})

afterAll(() => server[Symbol.asyncDispose]())

beforeEach(async () => {
  gate = await openGate()
  state = await server.database()
  work = await makeWorkspace()
  const restore = ['sh', '-c', `cat >> restored; cat ${gate.path} >> restored`]
  await work.write({
    'live/a': 'old',
    'holdfast.yml': JSON.stringify({
      data_dir: `\${DATA}`,
      targets: { shelf: { type: 'local', path: 'shelf' } },
      jobs: {
        files: { on: ['one'], source: { type: 'directory', path: 'live' } },
        words: {
          source: {
            type: 'command',
            name: 'words',
            backup: ['echo', 'word'],
            restore,
            cwd: work.root,
          },
        },
      },
    }),
  })
  await work.ok(['backup', 'create'], { env: instance('one') })
  await work.write({ 'live/a': 'changed' })
})

afterEach(async () => {
  await work[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
})

function instance(name: string, restore = ''): Record<string, string> {
  const shared = { HOLDFAST_STATE: state, HOLDFAST_RESTORE: restore }
  return { ...shared, DATA: work.at(name), HOLDFAST_INSTANCE: name }
}

function restoresOf(daemon: Daemon): readonly string[] {
  return daemon.events().filter((event) => event.startsWith('restore.'))
}

it('a restore at boot into a job of another instance is skipped here, and done there', async () => {
  await using other = startDaemon(work, { env: instance('two', 'files') })
  const skipped = await other.until('restore.skipped')
  expect(skipped).toMatchObject({
    level: 'warn',
    message: expect.stringContaining('belongs to a job of another instance: starting without'),
  })
  await other.until('daemon.started')
  expect(restoresOf(other)).toEqual(['restore.requested', 'restore.skipped'])
  expect(await work.files('live')).toEqual({ a: 'changed' })
  expect(await server.ask(state, 'select id from holdfast.restores')).toEqual([])
  await using own = startDaemon(work, { env: instance('one', 'files') })
  await own.until('restore.done')
  expect(await work.files('live')).toEqual({ a: 'old' })
  await own.stop()
  await other.stop()
})

it('a restore at boot that several are asked for at once is done by one, and skipped by those who waited', async () => {
  await using first = startDaemon(work, { env: instance('one', 'words') })
  await first.until('restore.download')
  await using second = startDaemon(work, { env: instance('two', 'words') })
  await second.until('restore.waiting')
  await gate.pass('the end\n')
  await first.until('restore.done')
  const skipped = await second.until('restore.skipped')
  expect(skipped.message).toContain('was restored by another instance just now')
  await second.until('daemon.started')
  expect(restoresOf(second)).toEqual(['restore.requested', 'restore.waiting', 'restore.skipped'])
  expect(await work.read('restored')).toBe('word\nthe end\n')
  await first.stop()
  await second.stop()
})
