import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { formatEngineAddress, parseEngineAddress } from '../../src/core/engine-address.ts'
import {
  listContainers,
  lookAtContainer,
  pauseContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from '../../src/docker/containers.ts'
import { ask, type Engine, lookAtEngine } from '../../src/docker/engine.ts'
import { listImages } from '../../src/docker/images.ts'
import { listServices, scaleService } from '../../src/docker/services.ts'
import { createVolume, findVolume, listVolumes, removeVolume } from '../../src/docker/volumes.ts'
import { EngineRefused, EngineUnreachable, TimeLimit } from '../../src/lib/errors.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { engineAt } from './support.ts'

const exec = promisify(execFile)
const { signal } = new AbortController()

let docker: DockerEngine
let engine: Engine

beforeAll(async () => {
  docker = await startDocker()
  engine = await engineAt(docker.host)
})
afterAll(() => docker[Symbol.asyncDispose]())

describe('the address of an engine', () => {
  it('is a socket or a host, and reads as it is written', () => {
    for (const text of ['unix:///run/a b.sock', 'tcp://docker:2375', 'tcp://[::1]:2376']) {
      const address = parseEngineAddress(text)
      if (address.kind === 'bad') throw new Error(address.why)
      expect(formatEngineAddress(address)).toBe(text)
    }
    expect(parseEngineAddress('tcp://docker')).toEqual({ kind: 'tcp', host: 'docker', port: 2375 })
  })

  it('is refused with words when it is none', () => {
    for (const text of ['', '/run/docker.sock', 'unix:run', 'ssh://a', 'tcp://a:0', 'http://a']) {
      expect(parseEngineAddress(text)).toMatchObject({ kind: 'bad', why: expect.any(String) })
    }
  })
})

describe('an engine', () => {
  it('tells what it is', async () => {
    expect(await lookAtEngine(engine, signal)).toMatchObject({
      version: expect.stringMatching(/^\d+\./),
      root: docker.root,
      hasServices: false,
    })
  })

  it('is the one of the address, whatever the environment names', async () => {
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1')
    vi.stubEnv('DOCKER_CLIENT_TIMEOUT', '1')
    try {
      const { root } = await lookAtEngine(await engineAt(docker.host), signal)
      expect(root).toBe(docker.root)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('that is away is told with what to do', async () => {
    const away = await engineAt('unix:///nowhere/docker.sock')
    await expect(lookAtEngine(away, signal)).rejects.toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringContaining('there is no such socket'),
      hint: expect.stringContaining('docker.host'),
    })
    const closed = await engineAt('tcp://127.0.0.1:1')
    await expect(lookAtEngine(closed, signal)).rejects.toThrow('nobody listens there')
  })

  it('whose socket is not ours says which group to join', async () => {
    const program = `
      const { parseEngineAddress } = await import('./src/core/engine-address.ts')
      const { openEngine, lookAtEngine } = await import('./src/docker/engine.ts')
      const engine = await openEngine(parseEngineAddress(process.argv[1]))
      const error = await lookAtEngine(engine, new AbortController().signal).catch((one) => one)
      console.log(error.code, error.message, error.hint)
    `
    await exec('chmod', ['0755', docker.root, join(docker.root, '..')])
    const node = ['--input-type=module', '-e', program, '--', docker.host]
    const account = ['--reuid=65534', '--regid=65534', '--clear-groups', '--']
    const { stdout } = await exec('setpriv', [...account, process.execPath, ...node])
    expect(stdout).toMatch(/^engine_unreachable .*permission to use the socket is denied/)
    expect(stdout).toContain('usermod -aG docker')
  })

  it('that never answers is not waited for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-silent-'))
    const path = join(folder, 'docker.sock')
    const silent = createServer((socket) => socket.on('error', () => {})).listen(path)
    try {
      const question = { what: 'look at the engine', timeLimit: 200, signal }
      const asked = ask(await engineAt(`unix://${path}`), question, (client, abortSignal) =>
        client.listContainers({ abortSignal }),
      )
      await expect(asked).rejects.toBeInstanceOf(TimeLimit)
    } finally {
      silent.close()
      await rm(folder, { recursive: true })
    }
  })

  it('that is killed in an answer is unreachable, and serves again when it is back', async () => {
    await docker.kill()
    await expect(listContainers(engine, signal)).rejects.toBeInstanceOf(EngineUnreachable)
    await docker.start()
    expect(await listContainers(engine, signal)).toEqual([])
  })
})

describe('containers', () => {
  it('are told with labels, mounts, environment and state', async () => {
    await docker.run(
      ...['--name=shop-db', '--label=com.docker.compose.project=shop', '--init', '-e', 'A=b=c'],
      ...['-v', 'shop_data:/data', '-v', '/usr/share:/host:ro', 'debian:12', 'sleep', 'infinity'],
    )
    const [listed] = await listContainers(engine, signal)
    const mounts = [
      { kind: 'bind', volume: null, source: '/usr/share', target: '/host', readOnly: true },
      {
        kind: 'volume',
        volume: 'shop_data',
        source: docker.volume('shop_data'),
        target: '/data',
        readOnly: false,
      },
    ]
    const told = {
      name: 'shop-db',
      image: 'debian:12',
      state: 'running',
      labels: { 'com.docker.compose.project': 'shop' },
    }
    expect(listed).toMatchObject(told)
    expect(listed?.mounts.toSorted((one, other) => (one.kind < other.kind ? -1 : 1))).toEqual(
      mounts,
    )
    const details = await lookAtContainer(engine, 'shop-db', signal)
    expect(details).toMatchObject({ ...told, id: listed?.id, service: null, restarts: false })
    expect(details.env.A).toBe('b=c')
    expect(details.addresses).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/)])
  })

  it('stop and start, and say whether that was news', async () => {
    const order = { grace: 5, signal }
    expect(await stopContainer(engine, 'shop-db', order)).toBe(true)
    expect(await stopContainer(engine, 'shop-db', order)).toBe(false)
    expect((await lookAtContainer(engine, 'shop-db', signal)).state).toBe('exited')
    expect(await startContainer(engine, 'shop-db', signal)).toBe(true)
    expect(await startContainer(engine, 'shop-db', signal)).toBe(false)
  })

  it('pause and go on', async () => {
    await pauseContainer(engine, 'shop-db', signal)
    expect((await lookAtContainer(engine, 'shop-db', signal)).state).toBe('paused')
    await unpauseContainer(engine, 'shop-db', signal)
    await expect(unpauseContainer(engine, 'shop-db', signal)).rejects.toBeInstanceOf(EngineRefused)
    expect((await lookAtContainer(engine, 'shop-db', signal)).state).toBe('running')
  })

  it('that are not there are refused by name', async () => {
    await expect(lookAtContainer(engine, 'nobody', signal)).rejects.toMatchObject({
      status: 404,
      message: 'cannot look at container nobody: No such container: nobody',
      hint: expect.stringContaining('docker ps'),
    })
  })
})

describe('volumes and images', () => {
  it('are made, told and removed', async () => {
    const labels = { 'holdfast.persistent': 'true' }
    await createVolume(engine, { name: 'fresh', labels }, signal)
    const fresh = { name: 'fresh', driver: 'local', labels, path: docker.volume('fresh') }
    expect(await findVolume(engine, 'fresh', signal)).toMatchObject(fresh)
    expect((await listVolumes(engine, signal)).map(({ name }) => name).sort()).toEqual([
      'fresh',
      'shop_data',
    ])
    await removeVolume(engine, 'fresh', signal)
    await removeVolume(engine, 'fresh', signal)
    expect(await findVolume(engine, 'fresh', signal)).toBe(null)
  })

  it('that are used stay, with the reason', async () => {
    await expect(removeVolume(engine, 'shop_data', signal)).rejects.toMatchObject({
      status: 409,
      hint: expect.stringContaining('docker ps --all --filter volume='),
    })
  })

  it('are listed by their tags', async () => {
    expect((await listImages(engine, signal)).flatMap(({ tags }) => tags)).toEqual(['debian:12'])
  })
})

describe('services', () => {
  it('are told and scaled where the engine manages a Swarm', async () => {
    await expect(listServices(engine, signal)).rejects.toBeInstanceOf(EngineRefused)
    await docker.docker('swarm', 'init', '--advertise-addr', '127.0.0.1')
    await docker.docker(
      ...['service', 'create', '--detach', '--name=web', '--label=a=b', '--replicas=0'],
      ...['--no-resolve-image', 'debian:12', 'sleep', 'infinity'],
    )
    expect((await lookAtEngine(engine, signal)).hasServices).toBe(true)
    await scaleService(engine, { service: 'web', replicas: 2 }, signal)
    expect(await listServices(engine, signal)).toMatchObject([
      { name: 'web', labels: { a: 'b' }, replicas: 2, volumes: [] },
    ])
    await docker.docker('swarm', 'leave', '--force')
  })
})
