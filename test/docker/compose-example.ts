import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { parseDuration } from '../../src/lib/time.ts'
import type { DockerEngine } from '../services/docker.ts'
import { type Compose, runWords, type Surroundings, volumeWords } from '../support/compose.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const HOLDFAST = 'shop-holdfast-1'

/** Laws of examples/compose, whose services run on an engine that has the image of this repository. */
export function composeExample(engine: () => DockerEngine): void {
  describe('the example with an app and its Holdfast in one file', () => {
    let folder: string
    let docker: DockerEngine
    let around: Surroundings

    beforeAll(async () => {
      docker = engine()
      folder = await mkdtemp(join(tmpdir(), 'holdfast-compose-'))
      const moved = { '/var/run/docker.sock': docker.socket }
      around = { ...(await copyExample(folder)), moved }
      // What others left would be seen as well.
      await docker.docker('volume', 'prune', '--force')
      await docker.docker('network', 'create', 'shop_default')
    })
    afterAll(() => rm(folder, { recursive: true, force: true }))

    const up = async (...services: readonly string[]) => {
      for (const name of Object.keys(around.compose.volumes)) {
        await docker.docker('volume', 'create', ...volumeWords(name, around))
      }
      for (const name of services) await docker.run(...runWords(name, around))
    }
    const holdfast = (...args: readonly string[]) => docker.exec(HOLDFAST, 'holdfast', ...args)
    const untilAlive = () =>
      vi.waitUntil(() => holdfast('system', 'health').catch(() => null), { timeout: 60_000 })

    it('keeps its secrets out of the file, and lets Holdfast drain', async () => {
      const text = await readFile(around.file, 'utf8')
      const services = Object.values(around.compose.services)
      const given = services.flatMap(({ environment }) => Object.keys(environment ?? {}))
      expect(given.filter((name) => /(?:PASSWORD|SECRET|TOKEN|KEY)$/.test(name))).toEqual([])
      for (const { file } of Object.values(around.compose.secrets)) {
        const secret = readFileSync(join(folder, file), 'utf8').trim()
        expect(secret.length).toBeGreaterThan(20)
        expect(text).not.toContain(secret)
      }
      const stop_grace_period = around.compose.services.holdfast?.stop_grace_period
      const path = join(folder, 'config', 'holdfast.yml')
      const file = await readFile(path, 'utf8')
      const here = join(folder, 'secrets', 'age.key')
      await writeFile(join(folder, 'here.yml'), file.replace('/run/secrets/age.key', here))
      const at = { path: join(folder, 'here.yml'), env: around.env, cwd: folder }
      const { drainTimeout } = await loadConfig(at)
      expect(parseDuration(String(stop_grace_period))).toBeGreaterThan(drainTimeout)
    })

    it('has what the app keeps backed up, each in its way', async () => {
      await up('db', 'redis', 'web', 'holdfast')
      await untilAlive()
      await fill(docker)
      const { backups } = JSON.parse(await holdfast('backup', 'create', 'auto-shop', '--json'))
      const taken = backups.map(
        ({ source, status }: Record<string, string>) => `${source} ${status}`,
      )
      const all = ['globals', 'orders', 'postgres', 'queue', 'uploads']
      expect(taken.toSorted()).toEqual(all.map((name) => `${name} success`))
      await expect(holdfast('plan', '--fail-on-unprotected')).resolves.toContain('3 protected')
    })

    it('brings all of it back where the app looks for it, when nothing of it is left', async () => {
      const gone = ['web', 'db', 'redis'].map((name) => `shop-${name}-1`)
      await docker.docker('rm', '--force', '--volumes', ...gone)
      const volumes = ['data', 'uploads', 'queue'].map((name) => `shop_${name}`)
      await docker.docker('volume', 'rm', ...volumes)
      await docker.docker('volume', 'create', ...volumeWords('data', around))
      await docker.run(...runWords('db', around))
      await untilServing(docker)
      for (const source of ['globals', 'orders', 'uploads', 'queue']) {
        await holdfast('restore', `auto-shop/${source}`, '--yes')
      }
      await up('redis', 'web')
      await compare(docker)
    })
  })
}

/** Its files with secrets of their own, which belong to an account that is not root. */
async function copyExample(folder: string) {
  cpSync(join(ROOT, 'examples', 'compose'), folder, {
    recursive: true,
    filter: (from) => !/\/(?:secrets|\.env)$/.test(from),
  })
  const env = { PATH: process.env.PATH ?? '', HOLDFAST: join(ROOT, 'bin', 'holdfast') }
  execFileSync(join(folder, 'make-secrets'), { env, stdio: 'ignore' })
  execFileSync('chown', ['-R', '1000:1000', join(folder, 'secrets')])
  const given = readFileSync(join(folder, '.env'), 'utf8').trim().split('\n')
  const file = join(folder, 'compose.yaml')
  const text = await readFile(file, 'utf8')
  return {
    file,
    compose: parse(text) as Compose,
    env: Object.fromEntries(given.map((line) => line.split('=') as [string, string])),
  }
}

const query = (docker: DockerEngine, sql: string, ...words: readonly string[]) =>
  docker.exec('shop-db-1', 'psql', '-XqAt', '-U', 'postgres', ...words, '-d', 'orders', '-c', sql)
const redis = (docker: DockerEngine, ...words: readonly string[]) =>
  docker.exec('shop-redis-1', 'redis-cli', ...words)
const ROLES = "create role clerk login password 'of the clerk'"
const LINES = 'select count(*), md5(string_agg(item, chr(44) order by id)) from line'
const MADE = "create table line as select id, 'item ' || id as item from generate_series(1, 500) id"

/** By the health check of the service: it asks by the network, which opens last. */
async function untilServing(docker: DockerEngine): Promise<void> {
  const asked = () => docker.exec('shop-db-1', 'pg_isready', '-q', '-h', '127.0.0.1')
  await vi.waitUntil(
    () =>
      asked()
        .then(() => true)
        .catch(() => false),
    { timeout: 60_000 },
  )
}

let sum = ''

async function fill(docker: DockerEngine): Promise<void> {
  await untilServing(docker)
  await query(docker, MADE)
  await query(docker, ROLES)
  await query(docker, 'grant select on line to clerk')
  sum = await query(docker, LINES)
  expect(await redis(docker, 'rpush', 'queue', 'one', 'two')).toBe('2')
  const uploads = docker.volume('shop_uploads')
  await mkdir(join(uploads, 'a'))
  await writeFile(join(uploads, 'a', 'b.txt'), 'held fast')
}

async function compare(docker: DockerEngine): Promise<void> {
  expect(sum).toMatch(/^500\|/)
  expect(await query(docker, LINES)).toBe(sum)
  const clerk = [
    'env',
    'PGPASSWORD=of the clerk',
    'psql',
    '-XqAt',
    '-U',
    'clerk',
    '-h',
    '127.0.0.1',
  ]
  expect(await docker.exec('shop-db-1', ...clerk, '-d', 'orders', '-c', LINES)).toBe(sum)
  const queue = () => redis(docker, 'lrange', 'queue', '0', '-1').catch(() => '')
  await vi.waitUntil(async () => (await queue()) === 'one\ntwo', { timeout: 20_000 })
  const file = join(docker.volume('shop_uploads'), 'a', 'b.txt')
  expect(existsSync(file) && readFileSync(file, 'utf8')).toBe('held fast')
}
