import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { startDaemon } from '../support/daemon.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { CLOCK_AT } from '../support/preload.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/docker-host/holdfast.yml')

let docker: DockerEngine
let workspace: Workspace

/** Labels as compose puts them on what it makes for a service of the project `shop`. */
const ofShop = (service: string) => [
  ...['--label', 'com.docker.compose.project=shop'],
  ...['--label', `com.docker.compose.service=${service}`],
]

beforeAll(async () => {
  docker = await startDocker(['debian', 'postgres'])
  workspace = await makeWorkspace(await readFile(EXAMPLE, 'utf8'))
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await docker[Symbol.asyncDispose]()
})

async function makeVolume(name: string, ...labels: readonly string[]): Promise<void> {
  const project = ['--label', 'com.docker.compose.project=shop']
  const own = ['--label', `com.docker.compose.volume=${name}`]
  await docker.docker('volume', 'create', ...project, ...own, ...labels, `shop_${name}`)
}

/** The server of the app; resolves once it may be asked. */
async function runServer(): Promise<void> {
  const data = ['--volume', 'shop_data:/var/lib/postgresql/data']
  const env = ['--env', 'POSTGRES_PASSWORD=secret', '--env', 'POSTGRES_DB=orders']
  await docker.run('--name', 'shop-db-1', ...ofShop('db'), ...data, ...env, 'postgres:15')
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

describe('an app that nobody has declared', () => {
  it('is found with what it keeps, and gets a job that plan shows before it is made', async () => {
    await makeVolume('data', '--label', 'holdfast.persistent=true')
    await makeVolume('uploads', '--label', 'holdfast.persistent=true')
    await makeVolume('cache')
    await runServer()
    const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done']
    const mounts = ['--volume', 'shop_uploads:/srv/uploads', '--volume', 'shop_cache:/srv/cache']
    await docker.run('--name', 'shop-web-1', ...ofShop('web'), ...mounts, 'debian:12', ...idle)
    await query(
      "create table line as select id, 'item ' || id as item from generate_series(1, 5000) id",
    )
    sum = await query(SUM)
    await mkdir(join(docker.volume('shop_uploads'), 'a'))
    await writeFile(join(docker.volume('shop_uploads'), 'a', 'b.txt'), 'held fast')

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
  })

  it('has its files archived and its databases dumped by a daemon, at the first slot of a job of its making', async () => {
    const clock = workspace.at('clock')
    const env = { ...onEngine().env, NODE_OPTIONS: `--import=${CLOCK_AT}`, CLOCK_AT: clock }
    await using daemon = startDaemon(workspace, { env })
    const made = await daemon.until('plan.made')
    expect(made.changes).toContainEqual({ kind: 'job.create', subject: 'auto-shop' })
    await daemon.until('daemon.started')
    expect(daemon.events()).not.toContain('backup.started')
    const slot = nextTwo(Date.now())
    await writeFile(clock, String(slot))
    daemon.signal('SIGUSR2')
    for (const source of ['globals', 'orders', 'postgres', 'uploads']) {
      await daemon.until('backup.done', { fits: (line) => line.source === source })
    }
    expect(await daemon.stop()).toEqual({ code: 0, signal: null })
    const { document } = await workspace.ok(['backup', 'list', '--json'], onEngine())
    expect(document.backups).toHaveLength(4)
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
    await makeVolume('data', '--label', 'holdfast.persistent=true')
    await runServer()
    expect(await query("select count(*) from pg_class where relname = 'line'")).toBe('0')

    const list = await workspace.ok(['backup', 'list', '--json'], onEngine())
    expect(list.document.backups.length).toBeGreaterThan(3)
    await workspace.ok(['restore', 'auto-shop/globals', '--yes'], onEngine())
    await workspace.ok(['restore', 'auto-shop/orders', '--yes'], onEngine())
    await workspace.ok(['restore', 'auto-shop/uploads', '--yes'], onEngine())
    expect(await query(SUM)).toBe(sum)
    const [name = ''] = (
      await docker.docker('volume', 'ls', '--format', '{{.Name}}', '--filter', 'name=uploads')
    ).split('\n')
    expect(await readFile(join(docker.volume(name), 'a', 'b.txt'), 'utf8')).toBe('held fast')
  })
})
