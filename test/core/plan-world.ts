import type {
  Action,
  AdoptAction,
  BackupAction,
  Plan,
  PostureAction,
} from '../../src/core/action.ts'
import { appliedAfter } from '../../src/core/applied.ts'
import { archiveKey, manifestKey } from '../../src/core/archive-key.ts'
import { groupOf } from '../../src/core/group.ts'
import type { Manifest } from '../../src/core/manifest.ts'
import type {
  Applied,
  Backup,
  BackupId,
  Bytes,
  Copy,
  Desired,
  DesiredJob,
  DesiredSource,
  InstanceId,
  Instant,
  Pin,
  Restore,
  TargetId,
} from '../../src/core/model.ts'
import type {
  FoundManifest,
  Listing,
  Observed,
  StoredObject,
  UnfinishedObject,
} from '../../src/core/observed.ts'
import type { PostureSeen } from '../../src/core/posture.ts'
import { unreachable } from '../../src/lib/unreachable.ts'
import { backup, GONE, HERE, runOf } from './plan-nouns.ts'

/** A target of the simulated world. */
export interface Shelf {
  state: 'listed' | 'unreachable' | 'unlisted'
  readonly objects: Map<string, StoredObject>
  readonly manifests: Map<string, FoundManifest>
  readonly unfinished: Map<string, UnfinishedObject>
  readonly pins: Map<string, Pin>
}

/** How an attempt ends in the simulated world. */
export type Fate = 'success' | 'failed' | 'killed-before-manifest' | 'killed-after-manifest'

/**
 * A whole deployment in memory: it does what plans say, without I/O or a clock, so that planning
 * can be tried against its own consequences.
 */
export interface World {
  readonly desired: Desired
  now: Instant
  applied: Applied | null
  readonly shelves: Map<TargetId, Shelf>
  readonly postures: Map<TargetId, PostureSeen>
  readonly backups: Map<BackupId, Backup>
  readonly copies: Map<string, Copy>
  readonly restores: Map<string, Restore>
  readonly alive: Set<InstanceId>
  pruneConfirmed: boolean
  /** What becomes of the next attempt of a source. */
  fate: (job: DesiredJob, source: DesiredSource, action: BackupAction) => Fate
  bytes: (job: DesiredJob, source: DesiredSource) => number
  serial: number
}

export function createWorld(desired: Desired, now: Instant): World {
  const shelf = (): Shelf => ({
    state: 'listed',
    objects: new Map(),
    manifests: new Map(),
    unfinished: new Map(),
    pins: new Map(),
  })
  return {
    desired,
    now,
    applied: null,
    shelves: new Map(desired.targets.map(({ id }) => [id, shelf()])),
    postures: new Map(),
    backups: new Map(),
    copies: new Map(),
    restores: new Map(),
    alive: new Set([HERE]),
    pruneConfirmed: false,
    fate: () => 'success',
    bytes: () => 1000,
    serial: 0,
  }
}

/** The world as an observer would tell it. */
export function observe(world: World): Observed {
  const backups = [...world.backups.values()]
  return {
    applied: world.applied,
    history: {
      depth: 'full',
      runs: backups.map((one) => runOf(one)),
      backups,
      copies: [...world.copies.values()],
      restores: [...world.restores.values()],
    },
    listings: new Map([...world.shelves].map(([id, one]) => [id, listingOf(world, id, one)])),
    postures: new Map(world.postures),
    underLease: true,
    alive: new Set(world.alive),
    pauses: [],
    pruneConfirmed: world.pruneConfirmed,
    restoreRequested: null,
    warnings: [],
  }
}

function listingOf(world: World, target: TargetId, shelf: Shelf): Listing {
  if (shelf.state === 'unreachable') return { kind: 'unreachable', error: 'no route to host' }
  if (shelf.state === 'unlisted') return { kind: 'unlisted' }
  const known = new Set(
    [...world.copies.values()]
      .filter((one) => one.target === target && one.status === 'complete')
      .filter((one) => world.backups.get(one.backup)?.status === 'success')
      .map((one) => one.key),
  )
  return {
    kind: 'listed',
    prefixes: [''],
    at: (world.now + 1) as Instant,
    objects: new Map(shelf.objects),
    unfinished: [...shelf.unfinished.values()],
    manifests: new Map([...shelf.manifests].filter(([key]) => !known.has(key))),
    pins: [...shelf.pins.values()],
  }
}

/** Does what the plan says, in its order. */
export function act(world: World, plan: Plan): void {
  if (plan.actions.some(({ kind }) => kind.startsWith('target.') || kind.startsWith('job.'))) {
    world.applied = appliedAfter(world.desired, world.applied, world.now)
  }
  for (const action of plan.actions) perform(world, action)
}

function perform(world: World, action: Action): void {
  switch (action.kind) {
    case 'target.create':
    case 'target.update':
    case 'target.remove':
    case 'job.create':
    case 'job.update':
    case 'job.remove':
    case 'restore':
    case 'prune-blocked':
      return
    case 'backup':
      run(world, action)
      return
    case 'skip':
      for (const job of world.desired.jobs.filter((one) => one.id === action.subject)) {
        for (const source of job.sources) {
          const row = rowOf(world, job, source, { slot: action.slot, status: 'skipped' })
          world.backups.set(row.id, row)
        }
      }
      return
    case 'abandon': {
      change(world.backups, action.backup, { status: 'failed', finishedAt: world.now })
      for (const [key, one] of world.copies) {
        if (one.backup === action.backup && one.status === 'writing') {
          change(world.copies, key, { status: 'failed' })
        }
      }
      return
    }
    case 'posture':
      setPosture(world, action)
      return
    case 'adopt':
      adopt(world, action)
      return
    case 'missing':
      change(world.copies, copyKey(action.copy), { status: 'missing' })
      return
    case 'debris': {
      const shelf = world.shelves.get(action.subject)
      if (action.object.kind === 'archive') shelf?.objects.delete(action.object.key)
      else shelf?.unfinished.delete(action.object.unfinished.token ?? '')
      return
    }
    case 'copy': {
      const { from, target } = action
      const own: Copy = { ...from, target, verify: 'never', verifiedAt: null, retained: null }
      world.copies.set(copyKey(own), own)
      put(world, target, from.key, from.bytes ?? 0)
      const row = world.backups.get(from.backup)
      if (row) putManifest(world, target, manifestOf(world, row, own, from.bytes ?? (0 as Bytes)))
      return
    }
    case 'verify':
      change(world.copies, copyKey(action.copy), { verify: 'ok', verifiedAt: world.now })
      return
    case 'prune':
      for (const one of action.drop) {
        drop(world, one)
        change(world.copies, copyKey(one), { status: 'pruned' })
      }
      return
    case 'release':
      world.restores.delete(action.restore.id)
      return
    default:
      unreachable(action)
  }
}

function setPosture(world: World, { subject, settable, because }: PostureAction): void {
  const seen = world.postures.get(subject)
  if (!settable || seen?.kind !== 'seen') return
  const findings = seen.findings.map((one) =>
    one.setting === because.setting ? { ...one, found: one.expected, met: true } : one,
  )
  world.postures.set(subject, { kind: 'seen', findings })
}

function run(world: World, action: BackupAction): void {
  const job = world.desired.jobs.find((one) => one.id === action.subject)
  for (const name of action.sources) {
    const source = job?.sources.find((one) => one.name === name)
    if (job && source) attempt(world, job, source, action)
  }
}

/** One attempt, to the end that its fate has for it. */
export function attempt(
  world: World,
  job: DesiredJob,
  source: DesiredSource,
  action: BackupAction,
): Backup {
  const fate = world.fate(job, source, action)
  const killed = fate === 'killed-before-manifest' || fate === 'killed-after-manifest'
  const row = rowOf(world, job, source, {
    slot: action.slot,
    attempt: action.attempt,
    trigger: action.trigger,
    status: killed ? 'running' : fate,
    instance: killed ? GONE : HERE,
    finishedAt: killed ? null : world.now,
    error: fate === 'failed' ? 'the source went away' : null,
  })
  world.backups.set(row.id, row)
  if (fate === 'failed') return row

  const key = `${archiveKey(job, source, world.now, '')}-${row.id}.tar.zst`
  const bytes = world.bytes(job, source) as Bytes
  for (const { target } of job.targets) {
    const status = killed ? 'writing' : 'complete'
    const own: Copy = {
      backup: row.id,
      target,
      group: source.group,
      key,
      status,
      bytes: killed ? null : bytes,
      sha256: null,
      readback: 'size',
      takenAt: world.now,
      verifiedAt: null,
      verify: 'never',
      error: null,
      retained: null,
    }
    world.copies.set(copyKey(own), own)
    put(world, target, key, bytes)
    if (fate !== 'killed-before-manifest')
      putManifest(world, target, manifestOf(world, row, own, bytes))
  }
  return row
}

export function put(world: World, target: TargetId, key: string, bytes: number): void {
  const object = { key, bytes: bytes as Bytes, modifiedAt: world.now }
  world.shelves.get(target)?.objects.set(key, object)
}

export function putManifest(world: World, target: TargetId, manifest: Manifest): void {
  put(world, target, manifestKey(manifest.key), 500)
  world.shelves.get(target)?.manifests.set(manifest.key, { kind: 'ours', manifest })
}

/** Takes archive and manifest of a copy off its target. */
export function drop(world: World, one: Copy): void {
  const shelf = world.shelves.get(one.target)
  shelf?.objects.delete(one.key)
  shelf?.objects.delete(manifestKey(one.key))
  shelf?.manifests.delete(one.key)
}

export function copyKey({ backup, target }: Copy): string {
  return `${backup} ${target}`
}

export function change<K, V>(map: Map<K, V>, key: K, changes: Partial<V>): void {
  const known = map.get(key)
  if (known) map.set(key, { ...known, ...changes })
}

function rowOf(
  world: World,
  job: DesiredJob,
  { name, group }: DesiredSource,
  changes: Partial<Backup>,
): Backup {
  const id = `b${String(++world.serial).padStart(5, '0')}`
  return backup(id, job, world.now, { source: name, group, ...changes })
}

export function manifestOf(world: World, row: Backup, own: Copy, bytes: Bytes): Manifest {
  return {
    version: 1,
    deployment: world.desired.deployment,
    run: row.run,
    runName: null,
    backup: row.id,
    job: row.job,
    organization: row.organization,
    app: row.app,
    slot: row.slot,
    attempt: row.attempt,
    fence: 1,
    source: { type: row.sourceKind, name: row.source, facts: {} },
    started: row.startedAt,
    finished: world.now,
    key: own.key,
    stored: { bytes, sha256: 'a'.repeat(64) },
    layers: ['tar', 'zstd'],
    encryption: null,
    config: { sha256: '0'.repeat(64), commit: null },
    instance: row.instance,
    holdfast: '0.1.0',
    warnings: [],
  }
}

function adopt(world: World, { manifest, subject, because }: AdoptAction): void {
  const { job, organization, app, source } = manifest
  const group = groupOf({ organization, app, job, source: source.name })
  if (because.rule === 'manifest-found' || because.rule === 'proven-complete') {
    const row = backup(manifest.backup, { ...ANY_JOB, id: job }, manifest.started, {
      run: manifest.run,
      source: source.name,
      group,
      slot: manifest.slot,
      attempt: manifest.attempt,
      instance: manifest.instance,
      finishedAt: manifest.finished,
    })
    world.backups.set(row.id, row)
  }
  const own: Copy = {
    backup: manifest.backup,
    target: subject,
    group,
    key: manifest.key,
    status: 'complete',
    bytes: manifest.stored.bytes,
    sha256: manifest.stored.sha256,
    readback: null,
    takenAt: manifest.finished,
    verifiedAt: null,
    verify: 'never',
    error: null,
    retained: null,
  }
  world.copies.set(copyKey(own), own)
}

const ANY_JOB = { sources: [], organization: null, app: null, name: '' } as unknown as DesiredJob
