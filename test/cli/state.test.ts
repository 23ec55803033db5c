import { readdir, stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HASTY, type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type Document, filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { run } from '../support/processes.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres(HASTY)
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

describe('state export and state import', () => {
  it('move a history from SQLite to PostgreSQL once, and back', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    for (let n = 0; n < 2; n++) await work.ok(['backup', 'create'])
    const before = await rows(work)

    const exported = await work.ok(['state', 'export', 'moved.jsonl', '--json'])
    expect(exported.document).toMatchObject({
      path: work.at('moved.jsonl'),
      rows: { runs: 2, backups: 2, copies: 2 },
    })
    const env = { HOLDFAST_STATE: await server.database() }
    const imported = await work.run(['state', 'import', 'moved.jsonl'], { env })
    expect(imported.stderr).toBe('')
    expect(imported.stdout).toBe(
      `imported 2 runs, 2 backups, 2 copies and 0 restores: ${work.at('moved.jsonl')}\n`,
    )
    expect(await server.ask(env.HOLDFAST_STATE, 'select count(*) from holdfast.runs')).toEqual([
      '2',
    ])
    const again = await work.run(['state', 'import', 'moved.jsonl'], { env })
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('the state is not empty')
    await work.ok(['state', 'export', 'back.jsonl'], { env })
    await work.write({ 'holdfast.yml': filesConfig().replace('./state', './other') })
    await work.ok(['state', 'import', 'back.jsonl'])
    expect(await rows(work)).toEqual(before)
    expect(before).toHaveLength(2)
  })

  it('name the file when none is named, and leave none behind that is not whole', async () => {
    await using work = await makeWorkspace(filesConfig())
    const { stdout } = await work.ok(['state', 'export'])
    const [name = ''] = (await readdir(work.root)).filter((one) => one.endsWith('.jsonl'))
    expect(stdout).toContain(name)
    expect(name).toMatch(/^holdfast-state-\d{4}-\d\d-\d\dT[-\dZ]+\.jsonl$/)
    expect((await stat(work.at(name))).mode & 0o777).toBe(0o600)
    const env = { HOLDFAST_STATE: 'postgres://app:hush-hush@127.0.0.1:1/nothing' }
    const refused = await work.run(['state', 'export', 'never.jsonl', '--json'], { env })
    expect(refused.document.error).toMatchObject({
      code: 'state_refused',
      at: '127.0.0.1:1/nothing',
    })
    expect(refused.stdout + refused.stderr).not.toContain('hush-hush')
    expect(await readdir(work.root)).not.toContain('never.jsonl')
  })

  it('are refused while a restore is open, until what a crash cut short is put in order', async () => {
    await using work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'a' })
    await work.ok(['backup', 'create'])
    for (const match of ['holdfast-staging', 'holdfast-previous']) {
      const how = { phase: 'cut', nth: 1, victim: 'self', delay: 0, log: work.at('log') } as const
      const on = match === 'holdfast-staging' ? 'mkdir' : 'rename'
      const killAt: KillOrder = { ...how, on, match, when: 'after' }
      const killed = await run(['restore', 'files', '--yes'], { cwd: work.root, killAt })
      expect(killed.hit).toBe(true)
      const refused = await work.run(['state', 'export', 'open.jsonl', '--json'])
      expect(refused.code).toBe(1)
      expect(refused.document.error).toMatchObject({
        code: 'refused',
        message: expect.stringContaining('a restore goes on, or was cut short'),
        hint: expect.stringContaining('start the daemon once'),
      })
      expect(await readdir(work.root)).not.toContain('open.jsonl')
      await work.ok(['backup', 'create'])
      await work.ok(['state', 'export', `${match}.jsonl`])
    }
  })
})

async function rows(work: Workspace): Promise<readonly Document[]> {
  return (await work.ok(['backup', 'list', '--json'])).document.backups
}
