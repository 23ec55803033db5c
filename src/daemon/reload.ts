import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import type { Desired } from '../core/model.ts'
import { ConfigError } from '../lib/errors.ts'
import { type Ambient, allowsLocal } from './session.ts'

/** Between the two equal reads that make a change count: an editor that is still writing is waited for. */
const SETTLE = 200
/** A file that is written to without an end must not hold up the passes. */
const LOOKS = 5

/** A config that runs, and the hash of every file that it was read from. */
export interface Generation {
  readonly desired: Desired
  readonly mark: string
}

/** What a look at the config files came to. */
export type Reload =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'changed'; readonly generation: Generation }
  | { readonly kind: 'rejected'; readonly error: unknown; readonly mark: string }
  /** Somebody is still writing: to be asked again soon. */
  | { readonly kind: 'unsettled' }

/** Reads the config for the first time. Throws what `loadConfig` throws. */
export async function firstGeneration(path: string | null, ambient: Ambient): Promise<Generation> {
  const { env, cwd } = ambient
  for (;;) {
    const desired = await loadConfig({ path, env, cwd })
    const { files, sha256 } = desired.origin
    const mark = await hashOf(files)
    const now = createHash('sha256')
      .update(await readFile(desired.origin.path))
      .digest('hex')
    // What was read must be what was hashed, or a change in between would never be noticed.
    if (now === sha256) return { desired, mark }
  }
}

/**
 * Reads the config again once two reads of its files are equal. A file that is bad, empty, half
 * written or gone is `rejected`: what ran before goes on running.
 */
export async function reload(
  running: Generation,
  ambient: Ambient,
  signal: AbortSignal,
): Promise<Reload> {
  const { files, path } = running.desired.origin
  const mark = await settled(files, signal)
  if (mark === null) return { kind: 'unsettled' }
  if (mark === running.mark) return { kind: 'unchanged' }
  try {
    const next = await firstGeneration(path, ambient)
    refuseUnavailable(next.desired, ambient.env)
    refuseMoved(running.desired, next.desired)
    return { kind: 'changed', generation: next }
  } catch (error) {
    return { kind: 'rejected', error, mark }
  }
}

/**
 * Throws `ConfigError` naming every block that this version does not build, and every local target
 * where ALLOW_LOCAL_BACKUPS forbids them: they are refused, never ignored.
 */
export function refuseUnavailable(
  { unavailable, targets, origin }: Desired,
  env: Ambient['env'],
): void {
  const at = origin.path
  const forbidden = allowsLocal(env) ? [] : targets.filter(({ kind }) => kind === 'local')
  const faults = [
    ...unavailable.map(({ path, what }) => ({
      at,
      path,
      message: `${what}: not available in this version`,
      hint: 'take the block out, or wait for a version that builds it',
    })),
    ...forbidden.map(({ id }) => ({
      at,
      path: `targets.${id}`,
      message: 'local targets are forbidden by ALLOW_LOCAL_BACKUPS=false',
      hint: 'declare a target on another machine, or unset the variable',
    })),
  ]
  if (faults.length > 0) throw new ConfigError(faults)
}

function refuseMoved(running: Desired, desired: Desired): void {
  const fixed = [
    ['data_dir', ({ dataDir }: Desired) => dataDir],
    ['deployment', ({ deployment }: Desired) => deployment],
    ['http.listen', ({ http }: Desired) => http && `${http.host} ${http.port}`],
    // Opened once, at the start: to say that they are taken would be a lie.
    ['state', ({ state }: Desired) => (state.kind === 'sqlite' ? '' : state.url.reveal())],
    ['state_direct', ({ state }: Desired) => ('direct' in state ? state.direct?.reveal() : null)],
    ['redis', ({ redis }: Desired) => redis?.reveal()],
    ['instance', ({ identity }: Desired) => JSON.stringify(identity)],
  ] as const
  const moved = fixed.find(([, read]) => read(running) !== read(desired))?.[0]
  if (moved === undefined) return
  throw new ConfigError([
    {
      at: desired.origin.path,
      path: moved,
      message: `${moved} cannot change while the daemon runs`,
      hint: 'restart the daemon',
    },
  ])
}

/** The hash that two reads agree on, or null while they never do. */
async function settled(files: readonly string[], signal: AbortSignal): Promise<string | null> {
  let before = await hashOf(files)
  for (let look = 0; look < LOOKS; look++) {
    await sleep(SETTLE, undefined, { signal })
    const now = await hashOf(files)
    if (now === before) return now
    before = now
  }
  return null
}

async function hashOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) hash.update(await readFile(file).catch(() => 'absent')).update('\0')
  return hash.digest('hex')
}
