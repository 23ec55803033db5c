import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { dice } from '../support/dice.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { configOf, contentsOf, makeVolume, runUser, stateOf } from './support.ts'

/** Fifty in the long form. */
const ROUNDS = process.env.STORM_ROUNDS ? 50 : 20
const SEED = Number(process.env.STORM_SEED ?? 20_261_120)
const BACKUP = ['backup', 'create', 'shop']
const RESTORE = ['restore', 'shop/storm@first', '--yes']
/** What is struck, in turn: every fourth restore is one by a helper. */
const STRUCK = [
  { words: RESTORE, via: 'helper' },
  ...[BACKUP, RESTORE, BACKUP, RESTORE, BACKUP, RESTORE, BACKUP].map((words) => ({
    words,
    via: 'auto',
  })),
] as const
/** Where in the time that it takes undisturbed, in percent: so most blows hit on any machine. */
const MOMENT = [5, 85] as const

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

describe('a storm of kills', () => {
  it(
    'over stopping, backing up, restoring and starting leaves nobody down that was up, nor half a volume',
    async () => {
      const throws = dice(SEED)
      const at = await makeVolume(docker, 'storm')
      await mkdir(at('d', 'e'), { recursive: true })
      for (const name of ['a', 'b', 'c', 'd/e/f']) await writeFile(at(name), `held fast ${name}`)
      await chmod(at('b'), 0o600)
      await chown(at('d'), 1000, 1001)
      await runUser(docker, 'up', 'storm')
      await runUser(docker, 'down', 'storm')
      await docker.docker('kill', 'down')
      const by = (via: string) => configOf(docker, `volume: storm, stop: true, via: ${via}`)
      await using workspace = await makeWorkspace(by('auto'))
      await workspace.ok(['backup', 'create', 'shop', '--name', 'first'], {})
      const first = await contentsOf(at())
      const spans = new Map<string, number>()
      for (const { words, via } of STRUCK.slice(0, 3)) {
        await workspace.write({ 'holdfast.yml': by(via) })
        const began = performance.now()
        await workspace.ok(words)
        spans.set(words[0] + via, performance.now() - began)
      }
      let killed = 0
      for (let round = 0; round < ROUNDS; round++) {
        await writeFile(at('a'), `round ${round}`)
        const live = await contentsOf(at())
        const { words, via } = STRUCK[round % STRUCK.length] ?? STRUCK[0]
        const isRestore = words === RESTORE
        await workspace.write({ 'holdfast.yml': by(via) })
        const span = spans.get(words[0] + via) ?? 0
        const running = workspace.start([...words])
        await Promise.race([sleep((span * throws.between(...MOMENT)) / 100), running.ended])
        const { code } = await running.end('SIGKILL')
        const meanwhile = code === null && isRestore ? [live, first] : isRestore ? [first] : [live]
        if (code === null) killed++
        // Whoever works next puts it in order first.
        await workspace.ok(['backup', 'create', 'shop'])
        expect(await stateOf(docker, 'up'), `round ${round}`).toBe('running')
        expect(await stateOf(docker, 'down'), `round ${round}`).toBe('exited')
        expect(meanwhile, `round ${round}`).toContainEqual(await contentsOf(at()))
        const left = (await readdir(at())).filter((name) => /holdfast-(staging|parked)/.test(name))
        expect(left, `round ${round}`).toEqual([])
      }
      console.log(`killed in ${killed} of ${ROUNDS} rounds`)
      expect(killed).toBeGreaterThanOrEqual(ROUNDS / 2)
    },
    60_000 + ROUNDS * 20_000,
  )
})
