import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import type { DockerEngine } from '../services/docker.ts'

/** How a container of the image is run. */
export interface Shape {
  readonly capabilities?: readonly string[]
  /** More words for `docker run`. */
  readonly words?: readonly string[]
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Containers of the built image, as docs/image.md tells to run them. */
export interface Keeper extends AsyncDisposable {
  /** A folder of this machine that containers see at `/srv/data`. */
  readonly data: string
  /** Starts the daemon with this config; resolves to the container's name. */
  daemon(config: string, shape?: Shape): Promise<string>
  /** Runs one command in a container of its own, with the config written before. */
  once(args: readonly string[], shape?: Shape): Promise<Ended>
  write(config: string): Promise<void>
}

/** Read-only, with no right of root but the ones that are named. */
export async function openKeeper(docker: DockerEngine, name: string): Promise<Keeper> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-keeper-'))
  const at = (path: string) => join(folder, path)
  await mkdir(at('config'))
  await mkdir(at('data'))
  const words = ({ capabilities = [], words: more = [] }: Shape) => [
    ...['--read-only', '--tmpfs=/tmp', '--network=none', '--cap-drop=ALL'],
    ...capabilities.map((one) => `--cap-add=${one}`),
    ...[
      `--volume=${docker.socket}:/var/run/docker.sock`,
      `--volume=${at('config')}:/etc/holdfast:ro`,
    ],
    ...[`--volume=${name}-state:/var/lib/holdfast`, `--volume=${name}-shelf:/srv/shelf`],
    ...[`--volume=${at('data')}:/srv/data`, ...more],
  ]
  const write = (config: string) =>
    writeFile(
      at('config/holdfast.yml'),
      `data_dir: /var/lib/holdfast\ntargets: { shelf: { type: local, path: /srv/shelf } }\n${config}`,
    )
  return {
    data: at('data'),
    write,
    async daemon(config, shape = {}) {
      await write(config)
      await docker.run(`--name=${name}`, ...words(shape), 'holdfast')
      return name
    },
    once: (args, shape = {}) =>
      ended(docker, ['run', '--rm', ...words(shape), 'holdfast', ...args]),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Runs the engine's client to its end, whatever that is. */
async function ended(docker: DockerEngine, args: readonly string[]): Promise<Ended> {
  try {
    return { code: 0, stdout: await docker.docker(...args), stderr: '' }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'number')) throw error
    return error as Error & Ended
  }
}

/** Lines that a container has logged, as objects. */
export async function logOf(
  docker: DockerEngine,
  container: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const told = await docker.docker('logs', container)
  return told
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}

/** Resolves once a container has logged such an event. */
export async function untilLogged(
  docker: DockerEngine,
  container: string,
  event: string,
): Promise<void> {
  const isThere = async () => (await logOf(docker, container)).some((line) => line.event === event)
  await vi.waitUntil(isThere, { timeout: 30_000, interval: 200 })
}
