import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeWorkspace } from '../support/holdfast.ts'
import { configOf, dying, makeVolume, runUser, stateOf } from './support.ts'

let docker: DockerEngine

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

  it('are stopped or paused alone whose labels ask for it, where the source says nothing', async () => {
    const at = await makeVolume(docker, 'labels')
    await writeFile(at('a'), 'held fast')
    const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done']
    const run = (name: string, ...words: readonly string[]) =>
      docker.run('--name', name, '--volume', 'labels:/data', ...words, 'debian:12', ...idle)
    await run('label-ours', '--label', 'holdfast.stop=true')
    await run('label-theirs', '--label', 'docker-volume-backup.stop-during-backup=shop')
    await run('label-pause', '--label', 'holdfast.pause=true')
    await run('label-none')
    const startOf = (name: string) =>
      docker.docker('inspect', '--format', '{{.State.StartedAt}}', name)
    const began = await startOf('label-pause')
    await using workspace = await makeWorkspace(configOf(docker, 'volume: labels'))
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    const all = 'label-ours, label-theirs; '
    expect(stderr).toContain(`stopped ${all}paused label-pause for volume labels`)
    expect(stderr).toContain(`started ${all}unpaused label-pause after`)
    for (const name of ['label-ours', 'label-theirs', 'label-pause', 'label-none']) {
      expect(await stateOf(docker, name)).toBe('running')
    }
    expect(await startOf('label-pause')).toBe(began)
    const [key = ''] = (await workspace.archives('shelf')).slice(-1)
    const manifest = JSON.parse(await workspace.read('shelf', `${key}.manifest.json`))
    expect(manifest.source.facts).toMatchObject({
      stopped: ['label-ours', 'label-theirs'],
      paused: ['label-pause'],
    })
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
    const files = '  files: { sources: [{ type: directory, path: ./live }], targets: [shelf] }'
    const config = `${configOf(docker, 'volume: swarm, stop: true')}\n${files}\n`
    await using workspace = await makeWorkspace(config)
    await workspace.write({ 'live/a': 'held fast' })
    const { stderr } = await workspace.ok(['backup', 'create', 'shop'], {})
    expect(stderr).toContain('stopped swarmed for volume swarm')
    // Also after a death of ours: who is not about this volume puts it in order.
    const log = workspace.at('kills')
    const scaled = { on: 'request', match: '/services/.*/update', when: 'after', nth: 1 } as const
    const env = dying(log, scaled)
    expect((await workspace.run(['backup', 'create', 'shop'], { env })).code).toBe(null)
    const format = '{{.Spec.Mode.Replicated.Replicas}}'
    const wanted = () => docker.docker('service', 'inspect', '--format', format, 'swarmed')
    expect(await wanted()).toBe('0')
    await workspace.ok(['backup', 'create', 'files'], {})
    expect(await wanted()).toBe('2')
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
    ['before they are stopped', 'stop', '/stop', 'before'],
    ['once they are stopped', 'stop', '/stop', 'after'],
    ['before they are started', 'stop', '/start', 'before'],
    ['once they are started', 'stop', '/start', 'after'],
    ['once they are paused', 'pause', '/pause', 'after'],
  ] as const)('go on after a death of ours %s', async (_name, how, match, when) => {
    const volume = `death-${when}${match.replace('/', '-')}`
    const at = await makeVolume(docker, volume)
    await writeFile(at('a'), 'held fast')
    await runUser(docker, `${volume}-up`, volume)
    await runUser(docker, `${volume}-down`, volume)
    await docker.docker('kill', `${volume}-down`)
    await using workspace = await makeWorkspace(configOf(docker, `volume: ${volume}, ${how}: true`))
    const log = workspace.at('kills')
    const env = dying(log, { on: 'request', match, when, nth: 1 })
    expect((await workspace.run(['backup', 'create', 'shop'], { env })).code).toBe(null)
    expect(await readFile(log, 'utf8')).toBe('here\n')
    await workspace.ok(['backup', 'create', 'shop'], {})
    expect(await stateOf(docker, `${volume}-up`)).toBe('running')
    expect(await stateOf(docker, `${volume}-down`)).toBe('exited')
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
    expect(forced.stdout).toContain('not restarted, and still at the files from before')
    expect(forced.stdout).toContain('docker restart used-up')
    expect(await readFile(at('sub/a'), 'utf8')).toBe('held fast')

    const startOf = () => docker.docker('inspect', '--format', '{{.State.StartedAt}}', 'used-up')
    const began = await startOf()
    await workspace.write({ 'holdfast.yml': configOf(docker, 'volume: used, restart: true') })
    const words = ['restore', 'shop/used@latest', '--yes', '--force']
    const restarted = await workspace.ok(words, {})
    expect(restarted.stderr).toContain('restarted used-up for volume used')
    expect(restarted.stdout).not.toContain('not restarted')
    expect(await startOf()).not.toBe(began)

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

    // Also once nobody declares it any more.
    const bare = [
      'data_dir: ./state',
      `docker: { host: "${docker.host}", discover: false }`,
      'targets: { shelf: { type: local, path: ./shelf } }',
    ]
    await workspace.write({ 'holdfast.yml': bare.join('\n') })
    await workspace.ok(['restore', 'shop/gone@latest', '--to-volume', 'third'], {})
    expect(await readFile(`${docker.volume('third')}/a`, 'utf8')).toBe('held fast')
  })
})
