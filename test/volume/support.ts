import { join } from 'node:path'
import type { DockerEngine } from '../services/docker.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { KILL_AT } from '../support/preload.ts'
import { snapshotNames } from '../support/trees.ts'

/** A config with a job `shop` of one volume, and what a test adds to its source. */
export function configOf(docker: DockerEngine, source: string): string {
  return [
    'data_dir: ./state',
    'targets: { shelf: { type: local, path: ./shelf } }',
    'jobs:',
    '  shop:',
    `    sources: [{ type: volume, docker: "${docker.host}", ${source} }]`,
    '    targets: [shelf]',
  ].join('\n')
}

/** A new volume; what is below is a path of this machine. */
export async function makeVolume(
  docker: DockerEngine,
  name: string,
): Promise<(...parts: readonly string[]) => string> {
  await docker.docker('volume', 'create', name)
  return (...parts) => join(docker.volume(name), ...parts)
}

/** Starts a container that has a volume at `/data` and does nothing, but ends when it is told to. */
export async function runUser(docker: DockerEngine, name: string, volume: string): Promise<void> {
  const idle = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done']
  await docker.run('--name', name, '--volume', `${volume}:/data`, 'debian:12', ...idle)
}

/** `running`, `exited`, `paused`. */
export async function stateOf(docker: DockerEngine, container: string): Promise<string> {
  return await docker.docker('inspect', '--format', '{{.State.Status}}', container)
}

/** All that is in a volume, with owners, modes and times; our own folders, and the root itself, left aside. */
export async function contentsOf(root: string): Promise<readonly string[]> {
  const { entries, contents } = await snapshotNames(root)
  return [...entries, ...contents].filter((line) => !/^(\.holdfast-| |$)/.test(line))
}

/** The environment in which a run dies where `order` says. */
export function dying(
  log: string,
  order: Pick<KillOrder, 'on' | 'match' | 'when' | 'nth'>,
): Readonly<Record<string, string>> {
  const whole: KillOrder = { phase: 'here', victim: 'self', delay: 0, log, ...order }
  return {
    NODE_OPTIONS: `--import=${KILL_AT}`,
    KILL_AT: JSON.stringify(whole),
  }
}
