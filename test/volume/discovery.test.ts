import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { type Compose, runWords, type Surroundings, volumeWords } from '../support/compose.ts'
import { startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { CLOCK_AT } from '../support/preload.ts'
import { makeRichTree, snapshotTree } from '../support/trees.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/docker-host')
const COMPOSE = join(EXAMPLE, 'compose.yaml')

let docker: DockerEngine
let workspace: Workspace
let around: Surroundings

beforeAll(async () => {
  docker = await startDocker(['debian', 'postgres'])
  workspace = await makeWorkspace(await readFile(join(EXAMPLE, 'holdfast.yml'), 'utf8'))
  const compose = parse(await readFile(COMPOSE, 'utf8')) as Compose
  around = { file: COMPOSE, compose, env: { SHOP_PASSWORD: 'secret' }, moved: {} }
  await docker.docker('network', 'create', 'shop_default')
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await docker[Symbol.asyncDispose]()
})

/** As compose would: with the volumes named, which are made where they are not there. */
async function up(service: string, ...volumes: readonly string[]): Promise<void> {
  for (const name of volumes) {
    await docker.docker('volume', 'create', ...volumeWords(name, around))
  }
  await docker.run(...runWords(service, around))
}

/** The server of the app; resolves once it may be asked. */
async function runServer(): Promise<void> {
  await up('db', 'data')
  await vi.waitUntil(() => query('select 1', 'tcp').catch(() => null), { timeout: 60_000 })
}

/** By the network, which the server opens when it is ready for good. */
async function query(sql: string, way: 'socket' | 'tcp' = 'socket'): Promise<string> {
  const host = way === 'tcp' ? ['--host', '127.0.0.1'] : []
  const how = ['env', 'PGPASSWORD=secret', 'psql', '-XqAt', '-U', 'postgres', '-d', 'orders']
  return await docker.exec('shop-db-1', ...how, ...host, '-c', sql)
}

/** Two o'clock in UTC, the slot of auto jobs: the next one. */
function nextTwo(now: number): number {
  const day = new Date(now)
  const [today, tomorrow] = [0, 1].map((days) =>
    Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate() + days, 2),
  )
  return (today ?? 0) > now ? (today ?? 0) : (tomorrow ?? 0)
}

/** Where the example looks for the engine. */
const onEngine = () => ({ env: { DOCKER_HOST: docker.host } })

const SUM = 'select count(*), sum(id), md5(string_agg(item, chr(44) order by id)) from line'
let sum = ''
let uploads: unknown

describe('an app that nobody has declared', () => {
  it('is found with what it keeps, and gets a job that plan shows before it is made', async () => {
    await runServer()
    await up('web', 'uploads', 'cache')
    await query(
      "create table line as select id, 'item ' || id as item from generate_series(1, 5000) id",
    )
    sum = await query(SUM)
    await makeRichTree(join(docker.volume('shop_uploads'), 'a'))
    uploads = await snapshotTree(join(docker.volume('shop_uploads'), 'a'))

    const { document } = await workspace.run(['plan', '--json'], onEngine())
    const made = document.actions.filter(({ kind }: { kind: string }) => kind === 'job.create')
    expect(made).toMatchObject([
      { subject: 'auto-shop', because: { rule: 'auto-created', app: 'shop' } },
    ])
    const { stdout } = await workspace.run(['plan'], onEngine())
    expect(stdout).toMatch(/shop_data.*: a dump of postgres, by job auto-shop/)
    expect(stdout).toMatch(/shop_uploads.*: its files, by job auto-shop/)
    expect(stdout).toContain('shop_cache')
    expect(await workspace.run(['plan', '--fail-on-unprotected'], onEngine())).toMatchObject({
      code: 4,
    })
    // A look at what there is makes nothing.
    const { document: jobs } = await workspace.ok(['job', 'list', '--json'], onEngine())
    expect(JSON.stringify(jobs)).not.toContain('auto-shop')
    await workspace.ok(['apply', '--yes'], onEngine())
    expect((await workspace.ok(['job', 'list'], onEngine())).stdout).toContain('auto-shop')
  })

  it('has its files archived and its databases dumped by a daemon, at the first slot of that job', async () => {
    const clock = workspace.at('clock')
    const env = { ...onEngine().env, NODE_OPTIONS: `--import=${CLOCK_AT}`, CLOCK_AT: clock }
    // And at that of one that it makes itself, for an app that came since.
    const labels = ['com.docker.compose.project=blog', 'com.docker.compose.volume=posts']
    const all = [...labels, 'holdfast.persistent=true'].map((label) => `--label=${label}`)
    await docker.docker('volume', 'create', ...all, 'blog_posts')
    await writeFile(join(docker.volume('blog_posts'), 'a'), 'held fast')
    await using daemon = startDaemon(workspace, { env })
    const made = await daemon.until('plan.made')
    expect(made.changes).toContainEqual({ kind: 'job.create', subject: 'auto-blog' })
    await daemon.until('daemon.started')
    expect(daemon.events()).not.toContain('backup.started')
    const slot = nextTwo(Date.now())
    await writeFile(clock, String(slot))
    daemon.signal('SIGUSR2')
    for (const source of ['globals', 'orders', 'postgres', 'uploads', 'posts']) {
      await daemon.until('backup.done', { fits: (line) => line.source === source })
    }
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
    const { document } = await workspace.ok(['backup', 'list', '--json'], onEngine())
    expect(document.backups).toHaveLength(5)
    for (const { status, slot: at } of document.backups) {
      expect([status, at]).toEqual(['success', new Date(slot).toISOString()])
    }
    expect(await readdir(workspace.at('backups/system/shop'))).toEqual(
      expect.arrayContaining(['orders', 'uploads']),
    )
  })

  it('comes back when nothing of it is left but a new, empty server', async () => {
    await docker.docker('rm', '--force', '--volumes', 'shop-db-1', 'shop-web-1')
    await docker.docker('volume', 'rm', 'shop_data', 'shop_uploads', 'shop_cache')
    await runServer()
    expect(await query("select count(*) from pg_class where relname = 'line'")).toBe('0')

    const list = await workspace.ok(['backup', 'list', '--json'], onEngine())
    expect(list.document.backups.length).toBeGreaterThan(3)
    for (const source of ['globals', 'orders', 'postgres', 'uploads']) {
      await workspace.ok(['restore', `auto-shop/${source}`, '--yes'], onEngine())
    }
    expect(await query(SUM)).toBe(sum)
    const [name = ''] = (
      await docker.docker('volume', 'ls', '--format', '{{.Name}}', '--filter', 'name=uploads')
    ).split('\n')
    expect(name).toBe('shop_uploads')
    expect(await snapshotTree(join(docker.volume(name), 'a'))).toEqual(uploads)
    await up('web', 'cache')
  })
})
