import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { configOf, contentsOf, dying, makeVolume } from './support.ts'

let docker: DockerEngine
let count = 0

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

const EXEC = '^POST /containers/[^/]+/exec'

/** Where the long form strikes as well: each blow by a helper takes ten seconds. */
const MORE = [
  ['helper', 'request', EXEC, 'before', 3],
  ['helper', 'request', EXEC, 'before', 25],
  ['helper', 'request', EXEC, 'before', 49],
] as const

describe('a restore of a volume that is killed', () => {
  it.each([
    ['path', 'mkdir', 'holdfast-staging', 'after', 1],
    ['path', 'commit', 'journal', 'before', 1],
    ['path', 'commit', 'journal', 'after', 1],
    ['path', 'rename', 'holdfast-previous', 'after', 1],
    ['path', 'rename', 'holdfast-staging', 'before', 1],
    ['path', 'rename', 'holdfast-staging', 'after', 2],
    ['helper', 'request', EXEC, 'before', 8],
    ['helper', 'commit', 'journal', 'after', 1],
    ['helper', 'request', EXEC, 'before', 37],
    ...(process.env.STORM_ROUNDS ? MORE : []),
  ] as const)(
    'by %s at %s %s, %s, leaves all of the old or all of the new',
    async (...[via, on, match, when, nth]) => {
      const name = `killed-${count++}`
      const at = await makeVolume(docker, name)
      await mkdir(at('sub/deep'), { recursive: true })
      for (const file of ['a', 'b', 'sub/c', 'sub/deep/d']) await writeFile(at(file), `old ${file}`)
      await using workspace = await makeWorkspace(configOf(docker, `volume: ${name}, via: ${via}`))
      await workspace.ok(['backup', 'create', 'shop'], {})
      const restored = await contentsOf(at())
      await writeFile(at('a'), 'live')
      await writeFile(at('e'), 'live')
      const live = await contentsOf(at())

      const env = dying(workspace.at('kills'), { on, match, when, nth })
      const killed = await workspace.run(['restore', `shop/${name}@latest`, '--yes'], { env })
      expect(killed.code).toBe(null)
      expect(await workspace.read('kills')).toBe('here\n')
      // Whatever opens the state for work puts it in order first.
      await workspace.ok(['backup', 'create', 'shop'], {})

      const after = await contentsOf(at())
      expect([live, restored]).toContainEqual(after)
      const own = (await readdir(at())).filter((one) => one.startsWith('.holdfast-'))
      expect(own.filter((one) => !one.includes('previous'))).toEqual([])
      expect(await docker.docker('ps', '--all', '--quiet')).toBe('')
    },
  )
})
