import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { addImages, type ImageName } from './docker-images.ts'
import { call, type Daemon, startDaemon, untilUp } from './processes.ts'

const exec = promisify(execFile)
const KEEPER = join(import.meta.dirname, 'keep-namespaces.sh')
/** Debian's own: another one of the machine may be newer than the engine. */
const CLIENT = '/usr/bin/docker'
const ENGINE = '/usr/sbin/dockerd'
/** A container's first words may wait for `initdb`; nothing that a test asks for takes longer. */
const LIMIT = 120_000

/**
 * A real Docker engine with namespaces of its own for processes, mounts and network: nothing in it
 * outlives the test's process, and nothing of it is seen outside but files under `root`. A port that a
 * container publishes is open in there alone.
 */
export interface DockerEngine extends AsyncDisposable {
  /** `unix:///…/docker.sock`. */
  readonly host: string
  readonly socket: string
  /** Volumes are folders there, to be read from outside: `volumes/NAME/_data`. */
  readonly root: string
  /** What the engine has said. */
  readonly log: string
  /** Runs the command line client; resolves to what it printed, without the last line's end. */
  docker(...args: readonly string[]): Promise<string>
  /** Starts a container in the background, with words for `docker run`; resolves to its id. */
  run(...args: readonly string[]): Promise<string>
  /** Runs a program in a container; resolves to what it printed, rejects unless it succeeds. */
  exec(container: string, ...argv: readonly string[]): Promise<string>
  /** What the engine was told to run in a container since that instant, a line each, with all its words. */
  execs(container: string, since: Date): Promise<readonly string[]>
  /** Folder of a volume, as seen from outside. */
  volume(name: string): string
  /** Words before a program that is to run in the engine's network. */
  readonly inNetwork: readonly string[]
  /** Kills the engine with SIGKILL; containers go on, until another engine starts. */
  kill(): Promise<void>
  /** Asks it to end, as a machine does that shuts down: containers are stopped first. */
  stop(): Promise<void>
  /** Starts it again; resolves once it answers. */
  start(): Promise<void>
}

/** Starts an engine in less than a second, with these images in it. Needs root. */
export async function startDocker(
  images: readonly ImageName[] = ['debian'],
): Promise<DockerEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-docker-'))
  const cgroup = basename(folder)
  const keeper = spawn('sh', [KEEPER, folder, cgroup], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // A Ctrl-C is for the test: its end is the keeper's cue to clear up.
    detached: true,
  })
  const ended = once(keeper, 'exit')
  const dispose = async () => {
    keeper.stdin?.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const engine = engineIn({ folder, cgroup, namespaces: await namespacesOf(keeper) }, dispose)
    await engine.start()
    await addImages(engine, images)
    return engine
  } catch (error) {
    await dispose()
    throw error
  }
}

interface Place {
  readonly folder: string
  readonly cgroup: string
  /** Folder of `/proc` that has them. */
  readonly namespaces: string
}

async function namespacesOf(keeper: ChildProcess): Promise<string> {
  if (!keeper.stdout) throw new Error('a process without its pipes')
  let pid = ''
  for await (const line of createInterface({ input: keeper.stdout })) {
    const [, told] = /^namespaces of (\d+)$/.exec(line) ?? []
    if (told) pid = told
    if (line === 'ready') return `/proc/${pid}/ns`
  }
  throw new Error('no namespaces for an engine: these tests need root, and a kernel that has them')
}

function engineIn(place: Place, dispose: () => Promise<void>): DockerEngine {
  const { folder, namespaces } = place
  const root = join(folder, 'data')
  const socket = join(folder, 'docker.sock')
  const host = `unix://${socket}`
  const log = join(folder, 'log')
  const inNetwork = ['nsenter', `--net=${namespaces}/net`, '--']
  const inside = [
    'nsenter',
    `--net=${namespaces}/net`,
    `--mount=${namespaces}/mnt`,
    // Of the process itself it is the outer one, in which its first child was born.
    `--pid=${namespaces}/pid_for_children`,
    '--',
  ]
  const docker = async (...args: readonly string[]) => {
    const env = { PATH: process.env.PATH ?? '', DOCKER_HOST: host, DOCKER_BUILDKIT: '0' }
    const options = { env, timeout: LIMIT, maxBuffer: 2 ** 26 }
    return (await exec(CLIENT, args, options)).stdout.trimEnd()
  }
  let daemon: Daemon | null = null
  const end = async (signal: string) => {
    const [program = '', ...words] = inside
    const pid = (await readFile(join(folder, 'pid'), 'utf8')).trim()
    await call(program, [...words, 'kill', '-s', signal, pid])
    await daemon?.ended
  }
  return {
    host,
    socket,
    root,
    log,
    inNetwork,
    docker,
    run: (...args) => docker('run', '--detach', ...args),
    exec: (container, ...argv) => docker('exec', container, ...argv),
    async execs(container, since) {
      const time = (at: Date) => String(at.getTime() / 1000)
      const only = ['--filter', `container=${container}`, '--filter', 'event=exec_create']
      const when = ['--since', time(since), '--until', time(new Date())]
      return (await docker('events', ...when, ...only)).split('\n')
    },
    volume: (name) => join(root, 'volumes', name, '_data'),
    kill: () => end('KILL'),
    stop: () => end('TERM'),
    async start() {
      const [program = '', ...words] = inside
      const started = startDaemon(log, program, [...words, ENGINE, ...optionsOf(place)])
      daemon = started
      await untilUp([started], async () => (await docker('version')) !== '')
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** No storage driver is named: the engine takes overlay2 where the file system allows it. */
function optionsOf({ folder, cgroup }: Place): readonly string[] {
  return [
    `--data-root=${join(folder, 'data')}`,
    `--exec-root=${join(folder, 'exec')}`,
    `--pidfile=${join(folder, 'pid')}`,
    `--host=unix://${join(folder, 'docker.sock')}`,
    `--cgroup-parent=/${cgroup}`,
    // So that a test may stop in the middle of anything, and be stopped itself.
    '--shutdown-timeout=5',
  ]
}
