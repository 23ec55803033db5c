import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeWorkspace } from '../support/holdfast.ts'

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian'])
})
afterAll(() => docker[Symbol.asyncDispose]())

function config(volume: string, more = ''): string {
  return [
    'data_dir: ./state',
    'targets: { shelf: { type: local, path: ./shelf } }',
    'jobs:',
    '  shop:',
    `    sources: [{ type: volume, volume: ${volume}, docker: "${docker.host}"${more} }]`,
    '    targets: [shelf]',
  ].join('\n')
}

describe('a volume by its name', () => {
  it('is backed up, and put back in place', async () => {
    await docker.docker('volume', 'create', 'notes')
    const at = (name: string) => join(docker.volume('notes'), name)
    await mkdir(at('sub'))
    await writeFile(at('sub/a.txt'), 'held fast')
    await using workspace = await makeWorkspace(config('notes'))
    await workspace.ok(['backup', 'create', 'shop'], {})
    await writeFile(at('sub/a.txt'), 'lost')
    await writeFile(at('new'), 'new')
    const { stdout } = await workspace.ok(['restore', 'shop/notes@latest', '--yes'], {})
    expect(stdout).toContain('into volume notes')
    expect(await readFile(at('sub/a.txt'), 'utf8')).toBe('held fast')
    await expect(readFile(at('new'))).rejects.toThrow('ENOENT')
  })
})
