import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { makeVolume, runUser, stateOf } from './support.ts'

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian'])
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

/** Slow enough for two of them to meet: each takes about two seconds to read. */
const BYTES = 8 * 2 ** 20
const BANDWIDTH = '4MiB'

/** Jobs `one` and `two`, each of a volume of its own that is large, and `three`, of neither. */
async function twoJobs(name: string, bandwidth = BANDWIDTH): Promise<Workspace> {
  for (const volume of [`${name}-1`, `${name}-2`]) {
    const at = await makeVolume(docker, volume)
    await writeFile(at('data'), randomBytes(BYTES))
    // What tar reads last.
    await mkdir(at('zz'))
  }
  const job = (id: string, source: string) =>
    `  ${id}: { sources: [{ ${source} }], targets: [shelf], compression: none }`
  const work = await makeWorkspace(
    [
      'data_dir: ./state',
      `docker: { host: "${docker.host}", discover: false }`,
      `limits: { bandwidth: ${bandwidth} }`,
      'targets: { shelf: { type: local, path: ./shelf } }',
      'jobs:',
      job('one', `type: volume, volume: ${name}-1, stop: true`),
      job('two', `type: volume, volume: ${name}-2, stop: true`),
      job('three', 'type: directory, path: ./live'),
    ].join('\n'),
  )
  await work.write({ 'live/a': 'held fast' })
  return work
}

const mounts = (name: string) => [1, 2].map((n) => ({ from: `${name}-${n}`, to: `/${n}` }))
/** Says in both volumes that it runs, for as long as it does; takes so many seconds to end. */
const marking = (seconds = 0) => [
  'sh',
  '-c',
  `trap "sleep ${seconds}; rm -f /1/zz/up /2/zz/up; exit 0" TERM; while :; do touch /1/zz/up /2/zz/up; sleep 0.1; done`,
]

async function runMarking(name: string): Promise<void> {
  const volumes = mounts(name).flatMap(({ from, to }) => ['--volume', `${from}:${to}`])
  await docker.run('--name', name, ...volumes, 'debian:12', ...marking())
  await untilMarked(name)
}

async function untilMarked(name: string): Promise<void> {
  const marked = () =>
    docker.exec(name, 'test', '-e', '/1/zz/up').then(
      () => true,
      () => false,
    )
  await vi.waitUntil(marked, { timeout: 30_000, interval: 50 })
}

/** What the newest archive of a job holds. */
async function membersOf(work: Workspace, job: string): Promise<readonly string[]> {
  const keys = await work.archives('shelf')
  const key = keys.findLast((one) => one.includes(`/${job}/`)) ?? `no archive of ${job}`
  const args = ['--list', `--file=${work.at('shelf', key)}`]
  const { stdout } = await promisify(execFile)('tar', args)
  return stdout.split('\n').filter((line) => line !== '')
}

const begin = (work: Workspace, job: string) => work.start(['backup', 'create', job])

describe('two jobs that stop one container', () => {
  it.each([
    ['one', 'two'],
    ['two', 'one'],
  ])('never read while it runs, and leave it up: %s before %s', async (first, second) => {
    const name = `both-${first}`
    await using work = await twoJobs(name)
    await runMarking(name)
    const early = begin(work, first)
    await early.until(() => early.stderr().includes(`stopped ${name}`))
    const late = begin(work, second)
    const ended = await Promise.all([early.ended, late.ended])
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    for (const job of [first, second]) {
      const members = await membersOf(work, job)
      expect(members).toContain('./data')
      expect(members).not.toContain('./zz/up')
    }
    expect(await stateOf(docker, name)).toBe('running')
  })

  it('leave it up when one is killed, and the other reads before anybody starts it', async () => {
    await using work = await twoJobs('killed', '1MiB')
    await runMarking('killed')
    const early = begin(work, 'one')
    await early.until(() => early.stderr().includes('stopped killed'))
    const late = begin(work, 'two')
    await late.until(() => late.stderr().includes('backing up two/'))
    expect((await early.end('SIGKILL')).code).toBe(null)
    const isReading = async () =>
      Object.keys(await work.files('shelf')).some((path) => path.includes('/two/'))
    await late.until(isReading)
    // Whoever starts puts in order what the dead one left, but not amid the other's reading.
    await work.ok(['backup', 'create', 'three'], {})
    expect(await isOver(late)).toBe(false)
    expect(await stateOf(docker, 'killed')).toBe('exited')
    expect((await late.ended).code).toBe(0)
    expect(await membersOf(work, 'two')).not.toContain('./zz/up')
    await work.ok(['backup', 'create', 'three'], {})
    expect(await stateOf(docker, 'killed')).toBe('running')
  })

  it('leave a service of Swarm with the replicas that it had', async () => {
    await docker.docker('swarm', 'init', '--advertise-addr', '127.0.0.1')
    await using work = await twoJobs('service')
    const volumes = mounts('service').flatMap(({ from, to }) => [
      '--mount',
      `type=volume,source=${from},target=${to}`,
    ])
    const words = ['--detach', '--no-resolve-image', '--name', 'service', ...volumes]
    const program = ['debian:12', ...marking(3)]
    await docker.docker('service', 'create', ...words, '--replicas', '2', ...program)
    const format = '{{.Spec.Mode.Replicated.Replicas}}'
    const wanted = () => docker.docker('service', 'inspect', '--format', format, 'service')
    const running = async () => {
      const filters = ['--filter', 'volume=service-1', '--filter', 'status=running']
      return (await docker.docker('ps', '--quiet', ...filters)).split('\n').filter(Boolean).length
    }
    await vi.waitUntil(async () => (await running()) === 2, { timeout: 60_000, interval: 200 })
    const early = begin(work, 'one')
    // On their way out, and scaled to none: as who comes now would find it.
    await early.until(async () => (await wanted()) === '0')
    const late = begin(work, 'two')
    const ended = await Promise.all([early.ended, late.ended])
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    expect(await wanted()).toBe('2')
    for (const job of ['one', 'two']) expect(await membersOf(work, job)).not.toContain('./zz/up')
    await vi.waitUntil(async () => (await running()) === 2, { timeout: 60_000, interval: 200 })
    await docker.docker('swarm', 'leave', '--force')
  })
})

describe('a container that was started with --rm', () => {
  it('is not stopped, nor is anybody else for the same volume', async () => {
    await using work = await twoJobs('passing')
    await runUser(docker, 'passing-by', 'passing-1')
    await docker.run(
      '--rm',
      '--name',
      'passing',
      '--volume',
      'passing-1:/1',
      'debian:12',
      'sleep',
      '600',
    )
    const format = '{{.State.Status}} {{.State.StartedAt}}'
    const all = () => docker.docker('inspect', '--format', format, 'passing', 'passing-by')
    const before = await all()
    const { code, stderr } = await work.run(['backup', 'create', 'one'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('passing was started with --rm')
    expect(stderr).toContain('set pause: true instead of stop')
    expect(await all()).toBe(before)
    expect(before).toMatch(/^running .*\nrunning /)
  })
})

async function isOver({ child }: ReturnType<typeof begin>): Promise<boolean> {
  return child.exitCode !== null || child.signalCode !== null
}
