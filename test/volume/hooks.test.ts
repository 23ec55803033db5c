import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { section } from '../../src/core/section.ts'
import { LeaseBusy } from '../../src/lib/errors.ts'
import { mendVolume } from '../../src/sources/volume/mend.ts'
import { volume } from '../../src/sources/volume.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { startDaemon } from '../support/daemon.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { configOf, dying, makeVolume, runUser, stateOf } from './support.ts'

let docker: DockerEngine
const never = new AbortController().signal

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

describe('hooks', () => {
  it('run around a backup, on the host and in the container, after a failure too', async () => {
    await makeVolume(docker, 'hooks')
    await runUser(docker, 'hooks-up', 'hooks')
    await using workspace = await makeWorkspace()
    const note = workspace.at('note')
    const script = (word: string) => `[sh, -c, "echo ${word} >>${note}"]`
    const inside = 'exec: { before: [sh, -c, "echo x >/data/dumped"], after: [rm, /data/dumped] }'
    const hooks = `before: ${script('before')}, after: ${script('after')}, ${inside}`
    await workspace.write({ 'holdfast.yml': configOf(docker, `volume: hooks, ${hooks}`) })
    await workspace.ok(['backup', 'create', 'shop'], {})
    expect(await workspace.read('note')).toBe('before\nafter\n')
    const out = workspace.at('out')
    await workspace.ok(['restore', 'shop/hooks@latest', '--to', out], {})
    expect(await readFile(`${out}/dumped`, 'utf8')).toBe('x\n')
    await expect(readFile(`${docker.volume('hooks')}/dumped`)).rejects.toThrow('ENOENT')

    const failing = `before: [sh, -c, "exit 3"], after: ${script('after')}`
    await workspace.write({ 'holdfast.yml': configOf(docker, `volume: hooks, ${failing}`) })
    const { code, stderr } = await workspace.run(['backup', 'create', 'shop'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('before hook')
    expect(await workspace.read('note')).toBe('before\nafter\nafter\n')
  })
})

describe('hooks that hang', () => {
  it('are ended after hook_timeout: from before that fails the backup, from after it is a warning', async () => {
    const at = await makeVolume(docker, 'limit')
    await writeFile(at('a'), 'held fast')
    await runUser(docker, 'limit-up', 'limit')
    await using workspace = await makeWorkspace()
    const run = async (hook: string) => {
      const source = `volume: limit, hook_timeout: 1s, ${hook}`
      await workspace.write({ 'holdfast.yml': configOf(docker, source) })
      return await workspace.run(['backup', 'create', 'shop'])
    }
    const hang = `sh, -c, "echo $$ >${workspace.at('pid')}; exec sleep 601"`
    const before = await run(`before: [${hang}]`)
    expect(before.code).not.toBe(0)
    expect(before.stderr).toContain(
      'the before hook of volume limit failed: sh did not end within 1s',
    )
    const pid = Number(await workspace.read('pid'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')

    const after = await run('exec: { after: [sleep, "602"] }')
    expect(after.code).toBe(0)
    expect(after.stderr).toMatch(/the after hook of volume limit failed: sleep in \S+ did not end/)
    expect(await docker.docker('top', 'limit-up', '-o', 'pid,args')).not.toContain('sleep 602')
  })
})

describe('hooks of a volume that others are at', () => {
  const busy = async (name: string) => {
    throw new LeaseBusy(name, 'another job')
  }

  it('from before ask nobody for anything until the turn to stop its users has come', async () => {
    await makeVolume(docker, 'turn')
    await using workspace = await makeWorkspace()
    const before = ['touch', workspace.at('asked')]
    const options = { volume: 'turn', docker: docker.host, stop: true, before }
    const source = volume.configure(section('jobs.test.sources[0]', options))
    const hold = { confirm: async () => {}, [Symbol.asyncDispose]: async () => {} }
    const alone = async (name: string) => (name.endsWith(':halt') ? await busy(name) : hold)
    const context = { scratch: workspace.root, leaveOut: [], token: 'a'.repeat(18), alone }
    await expect(source.dump(context, new AbortController().signal)).rejects.toThrow('another job')
    expect(await workspace.files('.')).not.toHaveProperty('asked')
  })

  it('from after, owed by a death of ours, wait until nobody is', async () => {
    await using workspace = await makeWorkspace()
    const own = { container: null, user: null, timeout: 10_000, execAfter: [] }
    const after = { volume: 'turn', after: ['touch', workspace.at('thawed')], ...own }
    const note = JSON.stringify({ docker: docker.host, halted: [], after })
    const kept: (string | null)[] = []
    const keep = async (left: string | null) => void kept.push(left)
    await expect(mendVolume(note, { alone: busy, keep }, never)).rejects.toThrow('another job')
    expect(await workspace.files('.')).not.toHaveProperty('thawed')
    const alone = async () => ({ confirm: async () => {}, [Symbol.asyncDispose]: async () => {} })
    const said = await mendVolume(note, { alone, keep }, never)
    expect(said).toContain('ran the after hooks of volume turn')
    expect(await workspace.files('.')).toHaveProperty('thawed')
    expect(kept).toEqual([null])
  })
})

describe('hooks from after', () => {
  it.each([
    ['once the volume is being read', 'spawn', 'tar .*--create', 'hooked-reading'],
    ['once its users are stopped', 'request', '/stop', 'hooked-stopped'],
  ] as const)('run once, after a death of ours %s', async (_name, on, match, name) => {
    const at = await makeVolume(docker, name)
    await writeFile(at('a'), 'held fast')
    await runUser(docker, `${name}-up`, name)
    await using workspace = await makeWorkspace()
    const note = workspace.at('note')
    const script = (word: string) => `[sh, -c, "echo ${word} $HOLDFAST_VOLUME >>${note}"]`
    const inside = 'exec: { before: [touch, /data/dumped], after: [rm, /data/dumped] }'
    const hooks = `before: ${script('before')}, after: ${script('after')}, ${inside}`
    const files = '  files: { sources: [{ type: directory, path: ./live }], targets: [shelf] }'
    const config = configOf(docker, `volume: ${name}, stop: true, ${hooks}`)
    await workspace.write({ 'holdfast.yml': `${config}\n${files}\n`, 'live/a': 'held fast' })
    const log = workspace.at('kills')
    const env = dying(log, { on, match, when: 'after', nth: 1 })
    expect((await workspace.run(['backup', 'create', 'shop'], { env })).code).toBe(null)
    expect(await workspace.read('note')).toBe(`before ${name}\n`)
    await expect(readFile(at('dumped'))).resolves.toBeDefined()
    const { stderr } = await workspace.ok(['backup', 'create', 'files'], {})
    expect(stderr).toContain(`ran the after hooks of volume ${name}`)
    expect(await workspace.read('note')).toBe(`before ${name}\nafter ${name}\n`)
    // In the container, which ran again by then.
    await expect(readFile(at('dumped'))).rejects.toThrow('ENOENT')
    expect(await stateOf(docker, `${name}-up`)).toBe('running')
    await workspace.ok(['backup', 'create', 'files'], {})
    expect(await workspace.read('note')).toBe(`before ${name}\nafter ${name}\n`)
  })
})

describe('a hook from after of a dead backup that hangs', () => {
  it('keeps a daemon from nothing, ends with it, and runs again at the next start', async () => {
    const at = await makeVolume(docker, 'hangs')
    await writeFile(at('a'), 'held fast')
    await runUser(docker, 'hangs-up', 'hangs')
    await using workspace = await makeWorkspace()
    const [note, go] = [workspace.at('note'), workspace.at('go')]
    const after = `after: [sh, -c, "echo $$ >>${note}; test -e ${go} || exec sleep 600"]`
    const when = 'schedule: "0 0 1 1 *", first_run: now'
    const files = `  files: { ${when}, sources: [{ type: directory, path: ./live }], targets: [shelf] }`
    const config = `drain_timeout: 300ms\n${configOf(docker, `volume: hangs, stop: true, ${after}`)}\n${files}\n`
    await workspace.write({ 'holdfast.yml': config, 'live/a': 'held fast' })
    const log = workspace.at('kills')
    const env = dying(log, { on: 'spawn', match: 'tar .*--create', when: 'after', nth: 1 })
    expect((await workspace.run(['backup', 'create', 'shop'], { env })).code).toBe(null)
    await using daemon = startDaemon(workspace)
    await daemon.until('backup.done', { fits: ({ job }) => job === 'files' })
    const pids = async () =>
      (await readFile(note, 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number)
    await vi.waitUntil(async () => (await pids()).length > 0, { timeout: 20_000, interval: 20 })
    // Nobody stands still for a hook; and what goes on again is owed no more than that once.
    expect(await stateOf(docker, 'hangs-up')).toBe('running')
    await docker.docker('stop', '--time=0', 'hangs-up')
    expect(await daemon.stop()).toEqual({ code: 143, signal: null })
    const [pid = 0] = await pids()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    await writeFile(go, '')
    const { stderr } = await workspace.ok(['backup', 'create', 'files'], {})
    expect(stderr).toContain('ran the after hooks of volume hangs')
    expect(await pids()).toHaveLength(2)
    expect(await stateOf(docker, 'hangs-up')).toBe('exited')
  })
})
