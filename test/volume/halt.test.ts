import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { section } from '../../src/core/section.ts'
import { LeaseBusy } from '../../src/lib/errors.ts'
import { mendVolume } from '../../src/sources/volume/mend.ts'
import { volume } from '../../src/sources/volume.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { startDaemon } from '../support/daemon.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { KILL_AT } from '../support/preload.ts'
import { configOf, dying, makeVolume, runUser, stateOf } from './support.ts'

let docker: DockerEngine
const never = new AbortController().signal

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

describe('containers that use a volume', () => {
  it('are stopped for its backup and started again, those that ran alone', async () => {
    const at = await makeVolume(docker, 'stop')
    await writeFile(at('a'), 'held fast')
    await runUser(docker, 'stop-up', 'stop')
    await runUser(docker, 'stop-down', 'stop')
    await docker.docker('kill', 'stop-down')
    const began = await docker.docker('inspect', '--format', '{{.State.StartedAt}}', 'stop-up')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: stop, stop: true'))
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('stopped stop-up for volume stop')
    expect(stderr).toContain('started stop-up after')
    expect(await stateOf(docker, 'stop-up')).toBe('running')
    expect(await stateOf(docker, 'stop-down')).toBe('exited')
    const since = await docker.docker('inspect', '--format', '{{.State.StartedAt}}', 'stop-up')
    expect(since).not.toBe(began)
    const [key = ''] = (await workspace.archives('shelf')).slice(-1)
    const manifest = JSON.parse(await workspace.read('shelf', `${key}.manifest.json`))
    expect(manifest.source.facts).toMatchObject({ stopped: ['stop-up'], way: 'path' })
    expect(manifest.source.facts.downtimeMs).toBeGreaterThan(0)
  })

  it('are paused for it, and go on as the same processes', async () => {
    const at = await makeVolume(docker, 'pause')
    await writeFile(at('a'), 'held fast')
    await runUser(docker, 'pause-up', 'pause')
    const pid = await docker.docker('inspect', '--format', '{{.State.Pid}}', 'pause-up')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: pause, pause: true'))
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('unpaused pause-up after')
    expect(await stateOf(docker, 'pause-up')).toBe('running')
    expect(await docker.docker('inspect', '--format', '{{.State.Pid}}', 'pause-up')).toBe(pid)
  })

  it('are stopped alone whose labels ask for it, where the source says nothing', async () => {
    const at = await makeVolume(docker, 'labels')
    await writeFile(at('a'), 'held fast')
    const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done']
    const run = (name: string, ...words: readonly string[]) =>
      docker.run('--name', name, '--volume', 'labels:/data', ...words, 'debian:12', ...idle)
    await run('label-ours', '--label', 'holdfast.stop=true')
    await run('label-theirs', '--label', 'docker-volume-backup.stop-during-backup=shop')
    await run('label-none')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: labels'))
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('stopped label-ours, label-theirs for volume labels')
    for (const name of ['label-ours', 'label-theirs', 'label-none']) {
      expect(await stateOf(docker, name)).toBe('running')
    }
  })

  it('are scaled, not stopped, where they are tasks of a service', async () => {
    await docker.docker('swarm', 'init', '--advertise-addr', '127.0.0.1')
    const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done']
    const mount = 'type=volume,source=swarm,target=/data'
    const words = ['--detach', '--no-resolve-image', '--name', 'swarmed', '--mount', mount]
    await docker.docker('service', 'create', ...words, '--replicas', '2', 'debian:12', ...idle)
    const running = async () => {
      const filters = ['--filter', 'volume=swarm', '--filter', 'status=running']
      return (await docker.docker('ps', '--quiet', ...filters)).split('\n').filter(Boolean).length
    }
    await vi.waitUntil(async () => (await running()) === 2, { timeout: 60_000, interval: 200 })
    await using workspace = await makeWorkspace(configOf(docker, 'volume: swarm, stop: true'))
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('stopped swarmed for volume swarm')
    await vi.waitUntil(async () => (await running()) === 2, { timeout: 60_000, interval: 200 })
    await docker.docker('swarm', 'leave', '--force')
  })

  it('run again after a backup that failed', async () => {
    await makeVolume(docker, 'fails')
    await runUser(docker, 'fails-up', 'fails')
    const source = 'volume: fails, stop: true, allow_empty: false'
    await using workspace = await makeWorkspace(configOf(docker, source))
    const { code, stderr } = await workspace.run(['backup', 'create', 'shop'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('nothing in it')
    expect(await stateOf(docker, 'fails-up')).toBe('running')
  })

  it.each([
    ['before they are stopped', 'request', '/stop', 'before'],
    ['once they are stopped', 'request', '/stop', 'after'],
    ['before they are started', 'request', '/start', 'before'],
    ['once they are started', 'request', '/start', 'after'],
  ] as const)('run again after a death of ours %s', async (_name, on, match, when) => {
    const volume = `death-${when}${match.replace('/', '-')}`
    const at = await makeVolume(docker, volume)
    await writeFile(at('a'), 'held fast')
    await runUser(docker, `${volume}-up`, volume)
    await runUser(docker, `${volume}-down`, volume)
    await docker.docker('kill', `${volume}-down`)
    await using workspace = await makeWorkspace(configOf(docker, `volume: ${volume}, stop: true`))
    const order = { phase: 'here', on, match, when, nth: 1, victim: 'self', delay: 0 }
    const log = workspace.at('kills')
    const killed = await workspace.run(['backup', 'create', 'shop'], {
      env: {
        NODE_OPTIONS: `--import=${KILL_AT}`,
        KILL_AT: JSON.stringify({ ...order, log }),
      },
    })
    expect(killed.code).toBe(null)
    expect(await readFile(log, 'utf8')).toBe('here\n')
    await workspace.ok(['backup', 'create', 'shop'], {})
    expect(await stateOf(docker, `${volume}-up`)).toBe('running')
    expect(await stateOf(docker, `${volume}-down`)).toBe('exited')
  })
})

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
    await expect(mendVolume(note, { alone: busy }, never)).rejects.toThrow('another job')
    expect(await workspace.files('.')).not.toHaveProperty('thawed')
    expect(await mendVolume(note, {}, never)).toContain('ran the after hooks of volume turn')
    expect(await workspace.files('.')).toHaveProperty('thawed')
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
    await using workspace = await makeWorkspace()
    const [note, go] = [workspace.at('note'), workspace.at('go')]
    const after = `after: [sh, -c, "echo $$ >>${note}; test -e ${go} || exec sleep 600"]`
    const when = 'schedule: "0 0 1 1 *", first_run: now'
    const files = `  files: { ${when}, sources: [{ type: directory, path: ./live }], targets: [shelf] }`
    const config = `drain_timeout: 300ms\n${configOf(docker, `volume: hangs, ${after}`)}\n${files}\n`
    await workspace.write({ 'holdfast.yml': config, 'live/a': 'held fast' })
    const log = workspace.at('kills')
    const env = dying(log, { on: 'spawn', match: 'tar .*--create', when: 'after', nth: 1 })
    expect((await workspace.run(['backup', 'create', 'shop'], { env })).code).toBe(null)
    await using daemon = startDaemon(workspace)
    await daemon.until('backup.done', { fits: ({ job }) => job === 'files' })
    const pids = async () =>
      (await readFile(note, 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number)
    await vi.waitUntil(async () => (await pids()).length > 0, { timeout: 20_000, interval: 20 })
    expect(daemon.events()).not.toContain('source.resumed')
    expect(await daemon.stop()).toEqual({ code: 143, signal: null })
    const [pid = 0] = await pids()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    await writeFile(go, '')
    const { stderr } = await workspace.ok(['backup', 'create', 'files'], {})
    expect(stderr).toContain('ran the after hooks of volume hangs')
    expect(await pids()).toHaveLength(2)
  })
})

describe('a volume that is in use', () => {
  it('is not restored over, unless asked for or its users are stopped for it', async () => {
    const at = await makeVolume(docker, 'used')
    await mkdir(at('sub'))
    await writeFile(at('sub/a'), 'held fast')
    await runUser(docker, 'used-up', 'used')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: used'))
    await workspace.ok(['backup', 'create', 'shop'], {})
    await writeFile(at('sub/a'), 'lost')
    const refused = await workspace.run(['restore', 'shop/used@latest', '--yes'])
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('in use by used-up')
    expect(await readFile(at('sub/a'), 'utf8')).toBe('lost')
    const forced = await workspace.ok(['restore', 'shop/used@latest', '--yes', '--force'], {})
    expect(forced.stdout).toContain('docker restart used-up')
    expect(await readFile(at('sub/a'), 'utf8')).toBe('held fast')

    await writeFile(at('sub/a'), 'lost again')
    await workspace.write({ 'holdfast.yml': configOf(docker, 'volume: used, stop: true') })
    await workspace.ok(['restore', 'shop/used@latest', '--yes'], {})
    expect(await readFile(at('sub/a'), 'utf8')).toBe('held fast')
    expect(await stateOf(docker, 'used-up')).toBe('running')
  })

  it('is made anew when it is gone, with its labels, and takes another name', async () => {
    await docker.docker('volume', 'create', '--label', 'com.docker.compose.project=x', 'gone')
    await writeFile(`${docker.volume('gone')}/a`, 'held fast')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: gone'))
    await workspace.ok(['backup', 'create', 'shop'], {})
    await docker.docker('volume', 'rm', 'gone')
    await workspace.ok(['restore', 'shop/gone@latest', '--yes'], {})
    expect(await readFile(`${docker.volume('gone')}/a`, 'utf8')).toBe('held fast')
    expect(await docker.docker('volume', 'inspect', 'gone')).toContain(
      '"com.docker.compose.project": "x"',
    )
    await workspace.ok(['restore', 'shop/gone@latest', '--to-volume', 'other'], {})
    expect(await readFile(`${docker.volume('other')}/a`, 'utf8')).toBe('held fast')
    const taken = await workspace.run(['restore', 'shop/gone@latest', '--to-volume', 'other'])
    expect(taken.code).not.toBe(0)
    expect(taken.stderr).toContain('is not empty')
  })
})
