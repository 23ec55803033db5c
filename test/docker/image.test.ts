import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { buildHoldfast } from '../services/holdfast-image.ts'
import { snapshotTree } from '../support/trees.ts'
import { composeExample } from './compose-example.ts'
import { type Keeper, logOf, openKeeper, untilLogged } from './image-support.ts'

const ROOT = join(import.meta.dirname, '..', '..')

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker(['debian', 'postgres', 'redis'])
  await buildHoldfast(docker)
}, 360_000)
afterAll(() => docker[Symbol.asyncDispose]())

/** A command in a container that runs already; resolves to its JSON. */
async function asked(container: string, ...args: readonly string[]) {
  return JSON.parse(await docker.exec(container, 'holdfast', ...args, '--json'))
}

const remove = (container: string) => docker.docker('rm', '--force', container)

describe('the image', () => {
  it('holds the program and what it runs, neither sources nor what made it of them', async () => {
    const inside = (script: string) =>
      docker.docker('run', '--rm', '--network=none', '--entrypoint=sh', 'holdfast', '-c', script)
    const programs = ['tar', 'zstd', 'age', 'pigz', 'psql', 'pg_dump', 'pg_restore', 'ssh']
    await inside(programs.map((name) => `command -v ${name}`).join(' && '))
    const files = (await inside('cd /opt/holdfast && find . -type f -o -type l')).split('\n')
    expect(files).toEqual(expect.arrayContaining(['./dist/main.mjs', './LICENSE']))
    expect(files.filter((path) => /^\.\/(?!node_modules\/).*\.ts$/.test(path))).toEqual([])
    const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, { dev?: boolean; devOptional?: boolean }>>
    }
    const tools = Object.entries(packages).flatMap(([path, { dev, devOptional }]) =>
      dev || devOptional ? [`./${path}/`] : [],
    )
    expect(tools).toContain('./node_modules/rolldown/')
    expect(files.filter((file) => tools.some((path) => file.startsWith(path)))).toEqual([])
    expect(files.filter((file) => /node_modules\/(?:@biomejs|node-linux)/.test(file))).toEqual([])
  })

  it('runs for any account, and the first start as the next ones writes nothing into its root', async () => {
    const version = ['--user=10001:10001', '--read-only', '--cap-drop=ALL', '--network=none']
    await docker.docker('run', '--rm', ...version, 'holdfast', '--version')
    await using keeper = await openKeeper(docker, 'first')
    await writeFile(join(keeper.data, 'a'), 'held fast')
    const name = await keeper.daemon(
      'jobs: { files: { first_run: now, source: { type: directory, path: /srv/data } } }',
      { words: ['--read-only=false'] },
    )
    await untilLogged(docker, name, 'verify.done')
    await docker.exec(name, 'holdfast', 'plan')
    const changed = (await docker.docker('diff', name)).split('\n')
    // What is mounted needs a place.
    const mounts = ['/etc', '/etc/holdfast', '/srv', '/srv/data', '/srv/shelf', '/run', '/tmp']
    const more = ['/run/docker.sock', '/var', '/var/lib', '/var/lib/holdfast']
    const written = changed.map((line) => line.slice(2))
    expect(written.filter((path) => ![...mounts, ...more].includes(path))).toEqual([])
    await remove(name)
  })
})

describe('a container of it without a right of root, on a root that nobody writes to', () => {
  let keeper: Keeper
  beforeAll(async () => {
    keeper = await openKeeper(docker, 'keeper')
  })
  afterAll(() => keeper[Symbol.asyncDispose]())

  const fill = () => {
    const script = [
      'mkdir -m 2750 album && echo a >album/1 && chmod 2640 album/1 && chown -R 1001:1002 album',
      'chmod 2750 album && echo b >secret && chown 1003:1003 secret && chmod 0 secret',
      'mkfifo pipe && ln -s album/1 link && touch -d 2020-02-03T04:05:06.789 album/1',
      'setfattr -n user.k -v v album/1',
    ].join(' && ')
    execFileSync('sh', ['-c', script], { cwd: docker.volume('album_uploads') })
  }

  it('finds the volumes of its engine, takes one, and brings it back when it is gone', async () => {
    await docker.docker('volume', 'create', '--label=holdfast.persistent=true', 'album_uploads')
    const of = [
      '--label=com.docker.compose.project=album',
      '--label=com.docker.compose.service=web',
    ]
    const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done']
    await docker.run('--name=web', ...of, '--volume=album_uploads:/srv', 'debian:12', ...idle)
    fill()
    const before = await snapshotTree(docker.volume('album_uploads'))
    const name = await keeper.daemon('docker: { discover: true }')
    await untilLogged(docker, name, 'daemon.started')
    const { backups } = await asked(name, 'backup', 'create', 'auto-album')
    expect(backups).toMatchObject([{ source: 'uploads', status: 'success' }])
    const [{ storagePath }] = backups
    const manifest = await readFile(
      join(docker.volume('keeper-shelf'), `${storagePath}.manifest.json`),
      'utf8',
    )
    expect(JSON.parse(manifest).source.facts).toMatchObject({ way: 'helper' })

    await remove('web')
    await docker.docker('volume', 'rm', 'album_uploads')
    await docker.exec(name, 'holdfast', 'restore', 'auto-album/uploads', '--yes')
    const volumes = await docker.docker('volume', 'ls', '--quiet', '--filter=name=uploads')
    const after = await snapshotTree(docker.volume(volumes))
    // The volume itself is a new one.
    expect({ ...after, entries: after.entries.slice(1) }).toEqual({
      ...before,
      entries: before.entries.slice(1),
    })
    expect(await docker.docker('ps', '--all', '--format={{.Names}}')).toBe(name)
  })

  it('is healthy while its loop turns, and not when it has stopped', async () => {
    await remove('keeper')
    const often = ['--health-interval=1s', '--health-retries=1']
    const name = await keeper.daemon('', { words: often })
    const health = () => docker.docker('inspect', '--format={{.State.Health.Status}}', name)
    const until = (status: string) =>
      vi.waitUntil(async () => (await health()) === status, { timeout: 30_000, interval: 200 })
    await until('healthy')
    await docker.docker('kill', '--signal=STOP', name)
    await until('unhealthy')
    await docker.docker('kill', '--signal=CONT', name)
    await until('healthy')
    await remove(name)
  })
})

describe('a container of it that is stopped', () => {
  const slow = (seconds: number, top: string) =>
    `${top}\njobs: { slow: { first_run: now, source: { type: command, name: slow, backup: [sh, -c, "sleep ${seconds}; echo held"] } } }`
  const states = async (name: string) =>
    JSON.parse(await docker.docker('inspect', '--format={{json .State}}', name))

  it('ends what runs before it ends', async () => {
    await using keeper = await openKeeper(docker, 'drained')
    const name = await keeper.daemon(slow(10, ''))
    await untilLogged(docker, name, 'backup.started')
    await docker.docker('stop', '--time=60', name)
    expect(await states(name)).toMatchObject({ ExitCode: 0, OOMKilled: false })
    const events = (await logOf(docker, name)).map(({ event }) => event)
    const told = ['backup.started', 'daemon.draining', 'backup.done', 'daemon.stopped']
    expect(events.filter((event) => told.includes(String(event)))).toEqual(told)
    await remove(name)
  })

  it('cuts it short after drain_timeout, and says so, also by its exit code', async () => {
    await using keeper = await openKeeper(docker, 'cut')
    const name = await keeper.daemon(slow(600, 'drain_timeout: 1s'))
    await untilLogged(docker, name, 'backup.started')
    await docker.docker('stop', '--time=60', name)
    expect(await states(name)).toMatchObject({ ExitCode: 143, OOMKilled: false })
    const log = await logOf(docker, name)
    expect(log.at(-1)).toMatchObject({ event: 'daemon.stopped', level: 'warn' })
    expect(log.map(({ event }) => event)).not.toContain('backup.done')
    await remove(name)
  })
})

describe('files of other users in a folder that is mounted into it', () => {
  const READING = ['DAC_READ_SEARCH']
  /** What a restore says that has all of them but one, and how it ends. */
  const WRITING = {
    CHOWN: [1, /Cannot change ownership to uid 1001, gid 1002: Operation not permitted/],
    DAC_OVERRIDE: [1, /\.\/still\/file: Cannot open: Permission denied/],
    FOWNER: [1, /\.\/still\/file: Cannot change mode to rw-r--r--: Operation not permitted/],
    FSETID: [
      0,
      /2 entries lost their set-group-ID bit.*CAP_FSETID: \.\/shared\/, \.\/shared\/program/,
    ],
    SETFCAP: [0, /extended attributes lost: .*Cannot set 'security.capability'/],
  } as const
  const JOB = 'jobs: { files: { source: { type: directory, path: /srv/data } } }'

  it('are read with one right of root and put back with five, and what is lost without one is told', async () => {
    await using keeper = await openKeeper(docker, 'rights')
    await keeper.write(JOB)
    makeOthersFiles(keeper.data)
    const without = await keeper.once(['backup', 'create', 'files'])
    expect(without.code).toBe(1)
    expect(without.stderr).toMatch(/Permission denied[\s\S]*hint: run as a user who may read all/)
    expect(
      await keeper.once(['backup', 'create', 'files'], { capabilities: READING }),
    ).toMatchObject({
      code: 0,
    })
    // Devices are told of, and not brought back.
    execFileSync('sh', ['-c', 'rm dev/null && touch -d 2020-01-01 dev'], { cwd: keeper.data })
    const before = await snapshotTree(keeper.data)
    const back = ['restore', 'files@latest', '--to', '/srv/data/back', '--yes']
    const whole = await keeper.once(back, { capabilities: Object.keys(WRITING) })
    expect(whole).toMatchObject({ code: 0 })
    expect(whole.stdout).toContain('1 device nodes left out: ./dev/null')
    expect(whole.stdout).not.toContain('lost')
    expect(await snapshotTree(join(keeper.data, 'back'))).toEqual(before)
    execFileSync('rm', ['-rf', join(keeper.data, 'back')])

    for (const [lacking, [code, told]] of Object.entries(WRITING)) {
      const capabilities = Object.keys(WRITING).filter((one) => one !== lacking)
      const ran = await keeper.once(back, { capabilities })
      expect(ran.code, lacking).toBe(code)
      expect(ran.stdout + ran.stderr, lacking).toMatch(told)
      execFileSync('rm', ['-rf', join(keeper.data, 'back')])
    }
  })
})

composeExample(() => docker)

/** Owners, modes and attributes that each need a right to be given. */
function makeOthersFiles(cwd: string): void {
  const script = [
    'mkdir -m 700 private && echo a >private/file && chown -R 1001:1002 private',
    'echo b >secret && chown 1003:1003 secret && chmod 0 secret',
    'mkdir -m 0500 still && echo c >still/file && chown -R 1004:1004 still',
    'mkdir dev && mknod dev/null c 1 3 && touch -d 2020-01-01 dev',
    'mkdir shared && echo d >shared/program && chown -R 1001:1002 shared',
    'chmod 2770 shared && chmod 6755 shared/program',
    'echo e >server && chown 1005:1005 server && setcap cap_net_bind_service+ep server',
    'setfattr -n user.kind -v note secret && setfacl -m u:1010:r private/file',
  ].join(' && ')
  execFileSync('sh', ['-c', script], { cwd })
}
