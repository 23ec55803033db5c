import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { volume } from '../../src/sources/volume.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'

const never = new AbortController().signal

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian', 'postgres'])
  const label = (name: string, value: string) => ['--label', `com.docker.compose.${name}=${value}`]
  for (const name of ['data', 'files']) {
    const labels = [...label('project', 'shop'), ...label('volume', name)]
    await docker.docker('volume', 'create', ...labels, `shop_${name}`)
  }
  const project = label('project', 'shop')
  const data = ['--volume', 'shop_data:/var/lib/postgresql/data', '--env', 'POSTGRES_PASSWORD=pw']
  await docker.run('--name', 'shop-db', ...project, ...data, 'postgres:15')
  const files = ['--volume', 'shop_files:/files']
  await docker.run('--name', 'shop-web', ...project, ...files, 'debian:12', 'sleep', '600')
  for (const name of ['wiki-blue_data', 'wiki-green_data', 'blog-staging_data']) {
    await docker.docker('volume', 'create', name)
  }
  await docker.run('--name', 'wiki', '--volume', 'wiki-green_data:/d', 'debian:12', 'sleep', '600')
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

async function membersOf(options: Options): Promise<unknown> {
  const block = section('jobs.test.sources[0]', { docker: docker.host, ...options })
  return (await volume.members?.(block, never)) ?? null
}

describe('what a volume stands for', () => {
  it('is a dump where a database server has its data in it, else itself', async () => {
    const options = { container: 'shop-db', databases: 'all', globals: true }
    const dump = [{ name: null, kind: 'postgres', options: expect.objectContaining(options) }]
    expect(await membersOf({ volume: 'shop_data' })).toEqual(dump)
    expect(await membersOf({ app: 'shop', volume: 'data' })).toEqual(dump)
    expect(await membersOf({ volume: 'shop_data', strategy: 'tar' })).toBe(null)
    expect(await membersOf({ volume: 'shop_files' })).toBe(null)
    expect(await membersOf({ app: 'shop', volume: 'files' })).toBe(null)
  })

  it('is each volume of an app', async () => {
    expect(await membersOf({ app: 'shop' })).toEqual([
      { name: 'data', kind: 'volume', options: { volume: 'data' } },
      { name: 'files', kind: 'volume', options: { volume: 'files' } },
    ])
  })

  it('is never nothing: what is not there, or cannot be dumped, is a failure', async () => {
    await expect(membersOf({ app: 'nobody' })).rejects.toThrow('has no volume')
    await expect(membersOf({ volume: 'never' })).rejects.toThrow('does not exist')
    await expect(membersOf({ app: 'shop', volume: 'never' })).rejects.toThrow('does not exist')
    const asked = { volume: 'shop_files', strategy: 'dump' }
    await expect(membersOf(asked)).rejects.toThrow('no container')
    await expect(membersOf({ volume: 'x', docker: 'unix:///no.sock' })).rejects.toThrow('socket')
  })
})

describe('the name of an app’s volume', () => {
  it('is the one that a container has which runs, in whatever slot or environment', async () => {
    const nowThere = async (options: Options, facts = {}) => {
      const block = section('jobs.test.sources[0]', { docker: docker.host, ...options })
      const task = { to: null, only: null, facts, force: true, direct: false }
      return (await volume.configure(block).describe(task, never)).to
    }
    expect(await nowThere({ app: 'wiki', volume: 'data' })).toContain('volume wiki-green_data')
    const staged = { app: 'blog', volume: 'data', env: 'staging' }
    expect(await nowThere(staged)).toContain('volume blog-staging_data')
    expect(await nowThere({ app: 'new', volume: 'data' })).toContain('volume new-blue_data')
    // Compose looks for its own name, and a slot's is as good as the other's.
    const made = (project: string) => ({
      volume: `${project}_data`,
      labels: [`com.docker.compose.project=${project}`, 'com.docker.compose.volume=data'],
    })
    const asNew = { app: 'new', volume: 'data' }
    expect(await nowThere(asNew, made('new'))).toContain('volume new_data')
    expect(await nowThere(asNew, made('new-green'))).toContain('volume new-blue_data')
  })
})
