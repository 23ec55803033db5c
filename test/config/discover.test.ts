import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findConfig } from '../../src/config/discover.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/lib/errors.ts'
import { type Environment, faultsOf, line, makeFolder } from './support.ts'

const NOWHERE = '/nonexistent/holdfast'

const find = (cwd: string, env: Environment = {}, path: string | null = null) =>
  findConfig({ path, env, cwd }, join(cwd, 'etc'))

describe('the config', () => {
  it.each(['vardo.yml', 'holdfast.yml', 'holdfast.toml'])('is found as %s', async (name) => {
    await using folder = await makeFolder()
    const path = await folder.write(name, 'x')
    expect(await find(folder.path)).toBe(path)
  })

  it('is a config.toml only when that has one of our tables', async () => {
    await using folder = await makeFolder()
    await folder.write('config.toml', '[server]\nport = 1\n')
    await expect(find(folder.path)).rejects.toThrow(ConfigError)
    const path = await folder.write('config.toml', '[server]\nport = 1\n[cluster]\nnode_id = 1\n')
    expect(await find(folder.path)).toBe(path)
  })

  it('is what --config says, before HOLDFAST_CONFIG, before what lies around', async () => {
    await using folder = await makeFolder()
    await folder.write('holdfast.yml', 'x')
    const env = { HOLDFAST_CONFIG: 'b.yml', VARDO_CONFIG_DIR: folder.path }
    expect(await find(folder.path, env, 'a.yml')).toBe(join(folder.path, 'a.yml'))
    expect(await find(folder.path, env)).toBe(join(folder.path, 'b.yml'))
    expect(await find('/', { ...env, HOLDFAST_CONFIG: '' })).toBe(join(folder.path, 'holdfast.yml'))
  })

  it('lies in VARDO_CONFIG_DIR rather than the working directory, else in the system folder', async () => {
    await using folder = await makeFolder()
    await folder.write('holdfast.yml', 'x')
    const system = await folder.write('etc/holdfast.yml', 'x')
    await mkdir(join(folder.path, 'vardo'))
    expect(await find(folder.path, { VARDO_CONFIG_DIR: 'vardo' })).toBe(system)
    const vardo = await folder.write('vardo/vardo.yml', 'x')
    expect(await find(folder.path, { VARDO_CONFIG_DIR: 'vardo' })).toBe(vardo)
  })

  it('is refused when a folder has two', async () => {
    await using folder = await makeFolder()
    await folder.write('vardo.yml', 'x')
    await folder.write('holdfast.toml', 'x')
    await expect(find(folder.path)).rejects.toThrow('two configs: vardo.yml, holdfast.toml')
  })

  it('is asked for, with the command that makes one, when there is none', async () => {
    await using folder = await makeFolder()
    await expect(find(folder.path)).rejects.toMatchObject({
      hint: 'make one with: holdfast config init',
    })
  })

  it.each([
    [NOWHERE, 'cannot be read: there is no such file'],
    ['/tmp', 'cannot be read: it is a directory'],
  ])('names what stands in the way of reading %s', async (path, message) => {
    const [fault, ...more] = await faultsOf(loadConfig({ path, env: {}, cwd: '/' }))
    expect(fault?.message).toBe(message)
    expect(more).toEqual([])
  })

  it('is a file that a link leads to, with paths from where the link lies', async () => {
    await using folder = await makeFolder()
    await folder.write('real/config.yml', 'data_dir: state\nnotifi: {}')
    await symlink('real/config.yml', join(folder.path, 'holdfast.yml'))
    const request = { path: null, env: {}, cwd: folder.path }
    const faults = await faultsOf(loadConfig(request))
    expect(faults.map(line)).toEqual([
      'holdfast.yml:2:1 notifi: unknown key "notifi" (did you mean "notify"?)',
    ])
    await folder.write('real/config.yml', 'data_dir: state')
    expect((await loadConfig(request)).dataDir).toBe(join(folder.path, 'state'))
  })
})
