import { join } from 'node:path'
import type { Bytes, Desired, Instant, Limits, Millis, Origin } from '../core/model.ts'
import type { Block } from './block.ts'
import { child, flag, millis, named, number, text } from './block.ts'
import { checkConflicts } from './conflicts.ts'
import type { Faults } from './faults.ts'
import type { HiqliteMachine } from './hiqlite-settings.ts'
import { resolveChannels } from './resolve-channels.ts'
import { resolveDocker } from './resolve-docker.ts'
import { resolveFleet } from './resolve-fleet.ts'
import { resolveHiqlite } from './resolve-hiqlite.ts'
import { resolveJobs } from './resolve-jobs.ts'
import { resolveEncryption, resolveSigning } from './resolve-sealing.ts'
import { resolveTargets } from './resolve-targets.ts'
import { readSchema } from './schema.ts'
import type { MapTree } from './tree.ts'
import { findUnavailable } from './unavailable.ts'

export interface ResolveContext {
  /** Absolute; where relative paths start. */
  readonly folder: string
  /** `leave`: secrets may be unknown. */
  readonly unset: 'fault' | 'leave'
  readonly faults: Faults
  /** What was noticed so far; `notice` adds to it. */
  readonly notices: readonly string[]
  notice(text: string): void
  readonly origin: Origin
  /** Schedules must fire after this. */
  readonly now: Instant
  /** `DOCKER_HOST` of the environment, or null. */
  readonly dockerHost: string | null
  /** What Hiqlite's table is read with. */
  readonly hiqlite: HiqliteMachine
}

const DRAIN_TIMEOUT = 600_000 as Millis

/**
 * The rewritten config with every default filled in and every reference resolved. It reads on past
 * whatever does not fit, so that the faults of the schema and those of meaning come out together.
 */
export function resolveConfig(tree: MapTree, context: ResolveContext): Desired {
  const { folder, now, hiqlite: machine } = context
  const root: Block = {
    path: '',
    place: tree.place,
    tree,
    shape: readSchema(),
    context,
  }
  const organizations = named(root, 'organizations')
  const levels: readonly (readonly [string | null, Block])[] = [[null, root], ...organizations]
  checkOrganizations(organizations)

  const encryption = resolveEncryption(root, null)
  const declared = levels.flatMap(([name, level]) => resolveTargets(level, name))
  const channels = levels.flatMap(([name, level]) => resolveChannels(level, name))
  // Hiqlite's folder and bucket are for its own names: no other job writes there by default or by name.
  const surroundings = { targets: declared, channels, encryption, now }
  const own = levels.flatMap(([name, level]) => resolveJobs(level, name, surroundings))
  const hiqlite = resolveHiqlite(root, { machine, channels, now })
  const targets = [...declared, ...hiqlite.targets]
  const jobs = [...own, ...hiqlite.jobs]
  const dataDir = text(root, 'data_dir') ?? folder
  checkConflicts(jobs, targets, dataDir)
  const usualHost = context.dockerHost
  const docker = resolveDocker(root, {
    levels,
    targets: declared,
    channels,
    encryption,
    jobs,
    usualHost,
  })

  return {
    deployment: text(root, 'deployment') ?? 'default',
    dataDir,
    scratchDir: text(root, 'scratch_dir') ?? join(dataDir, 'scratch'),
    ...resolveFleet(root),
    encryption,
    signing: resolveSigning(root),
    limits: resolveLimits(root),
    drainTimeout: millis(root, 'drain_timeout') ?? DRAIN_TIMEOUT,
    restore: { once: onceIn(root) },
    targets,
    jobs: jobs.map(({ job }) => job),
    channels,
    ...docker,
    unavailable: findUnavailable(tree, readSchema()),
    notices: noticesOf(tree, docker.auto !== null, context.notices),
    origin: context.origin,
  }
}

function checkOrganizations(organizations: readonly (readonly [string, Block])[]): void {
  for (const [name, block] of organizations) {
    if (name !== 'system') continue
    const message = 'the name "system" stands for what belongs to no organization'
    block.context.faults.add(block.place, block.path, message)
  }
}

function resolveLimits(root: Block): Limits {
  const block = child(root, 'limits')
  if (block === null) {
    return { concurrency: 2, bandwidth: null, zstdThreads: 0, nice: 0, maxDuration: null }
  }
  return {
    concurrency: number(block, 'concurrency') ?? 2,
    bandwidth: number(block, 'bandwidth') as Bytes | null,
    zstdThreads: number(block, 'zstd_threads') ?? 0,
    nice: number(block, 'nice') ?? 0,
    maxDuration: millis(block, 'max_duration'),
  }
}

function onceIn(root: Block): boolean {
  const block = child(root, 'restore')
  return block !== null && flag(block, 'once') === true
}

function noticesOf(tree: MapTree, hasAuto: boolean, notices: readonly string[]): readonly string[] {
  const blocks = ['jobs', 'organizations', 'hiqlite', 'cluster']
  if (hasAuto || blocks.some((key) => tree.entries.has(key))) return notices
  return [...notices, 'no job is declared: nothing is backed up']
}
