import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { showConfig } from '../../src/config/show.ts'
import { surroundHa } from '../support/ha.ts'
import { makeFolder, NOW } from './support.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url))
const CONFIGS = ['vardo.yml', 'holdfast.yml', 'holdfast.toml', 'config.toml']

/** Folder and file of every example, those of other authors too. */
const examples = readdirSync(EXAMPLES).flatMap((folder) =>
  readdirSync(join(EXAMPLES, folder))
    .filter((name) => CONFIGS.includes(name))
    .map((name) => [folder, name] as const),
)

describe('every example', () => {
  it.each(examples)(
    '%s loads, is built in this version, and says where its schema is',
    async (folder, name) => {
      const cwd = join(EXAMPLES, folder)
      await using secrets = await makeFolder()
      const env = folder === 'ha' ? await surroundHa(join(secrets.path, 'of-ha')) : {}
      const desired = await loadConfig({ path: null, env, cwd, now: NOW })
      expect(desired.unavailable).toEqual([])
      expect(desired.jobs.length > 0 || desired.auto !== null, 'something to do').toBe(true)
      expect(desired.jobs.every(({ noTarget }) => noTarget === null)).toBe(true)
      const [first] = readFileSync(join(cwd, name), 'utf8').split('\n')
      expect(first).toMatch(/^(# yaml-language-server: \$schema=|#:schema )\.\.\/\.\.\/schema\//)
    },
  )

  it.each(['home-server', 'vardo', 'toml', 'organizations', 'command', 'wardengate'])(
    '%s is understood as its golden file says',
    async (folder) => {
      await using copy = await makeFolder()
      cpSync(join(EXAMPLES, folder), copy.path, { recursive: true })
      const desired = await loadConfig({ path: null, env: {}, cwd: copy.path, now: NOW })
      const text = JSON.stringify(showConfig(desired), null, 2)
        .replaceAll(copy.path, '<folder>')
        // The hash of facts that hold the folder.
        .replaceAll(/"fingerprint": "[0-9a-f]{16}"/g, '"fingerprint": "<hash>"')
      await expect(`${text}\n`).toMatchFileSnapshot(`golden/${folder}.txt`)
    },
  )
})

describe('the commit of a config', () => {
  it('is told while the file is as committed, and not once it was changed', async () => {
    await using folder = await makeFolder()
    const git = (...args: readonly string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
        cwd: folder.path,
        encoding: 'utf8',
      }).trim()
    const load = async () => {
      const env = { PATH: process.env.PATH, HOME: folder.path }
      return (await loadConfig({ path, env, cwd: '/' })).origin.commit
    }
    const path = await folder.write('deploy/holdfast.yml', 'data_dir: /x\n')
    expect(await load()).toBeNull()
    git('init', '-q')
    expect(await load()).toBeNull()
    git('add', '.')
    git('commit', '-q', '-m', 'one')
    expect(await load()).toBe(git('rev-parse', 'HEAD'))
    writeFileSync(path, 'data_dir: /y\n')
    expect(await load()).toBeNull()
  })
})
