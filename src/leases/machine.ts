import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { InstanceId } from '../core/model.ts'
import { LeaseBusy, LeaseLost, messageOf, StateRefused } from '../lib/errors.ts'
import {
  type FileLock,
  type Holder,
  holderOf,
  isLocked,
  lockOwn,
  sweep,
  tryLock,
} from './file-lock.ts'
import type { Busy, Lease, Leases } from './lease.ts'

export interface MachineLeasesOptions {
  /** Absolute path of a folder on a local file system; made when missing. */
  readonly folder: string
  /** Where fencing numbers come from. */
  readonly fences: Fences
  readonly instance: InstanceId
}

/** The part of the store that leases need. */
export interface Fences {
  takeFence(lease: string, instance: InstanceId): Promise<number>
  fenceOf(lease: string): Promise<number>
}

/**
 * Leases among the processes of one machine (and of containers on one kernel that share the folder).
 * They end with the process, however it ends. Throws `LeaseBusy` when another process has the same
 * instance id, and `StateRefused` when the folder cannot be used.
 */
export function openMachineLeases(options: MachineLeasesOptions): Leases {
  const { folder, fences, instance } = options
  const lives = makeFolder(join(folder, 'instances'))
  const life = lockOwn(lifePath(lives, instance))
  if (!life) throw new LeaseBusy(`instance ${instance}`, 'another process')
  sweepDead(lives, instance)
  const held = new Map<string, { readonly lock: FileLock; readonly lost: AbortController }>()

  async function acquire(name: string): Promise<Lease | Busy> {
    const path = join(folder, `lease-${fileOf(name)}`)
    const lock = held.has(name) ? null : tryLock(path, holderNow(instance))
    if (!lock) return { kind: 'busy', holder: holderOf(path) }
    const lost = new AbortController()
    held.set(name, { lock, lost })
    const release = () => {
      if (held.get(name)?.lock === lock) held.delete(name)
      lock.release()
    }
    try {
      return granted(name, await fences.takeFence(name, instance), lost, release)
    } catch (error) {
      release()
      throw error
    }
  }

  function granted(name: string, fence: number, lost: AbortController, letGo: () => void): Lease {
    let released = false
    return {
      kind: 'granted',
      name,
      fence,
      signal: lost.signal,
      async confirm() {
        if (released) throw new LeaseLost(name)
        lost.signal.throwIfAborted()
        if ((await fences.fenceOf(name)) === fence) return
        lost.abort(new LeaseLost(name))
        lost.signal.throwIfAborted()
      },
      async release() {
        released = true
        letGo()
      },
    }
  }

  return {
    instance,
    acquire,
    isAlive: async (id) => id === instance || isLocked(lifePath(lives, id)),
    async close() {
      for (const [name, { lock, lost }] of held) {
        lost.abort(new LeaseLost(name))
        lock.release()
      }
      held.clear()
      life.release()
    },
  }
}

/** The lock that a daemon holds for life. Keep it: it ends with this object. */
export interface DaemonLock extends Disposable {
  /** Doing so twice succeeds. */
  release(): void
}

/** Makes this process the only daemon of `folder`, or throws `StateRefused` naming the other one. */
export function lockDaemon(folder: string, instance: InstanceId): DaemonLock {
  const path = join(makeFolder(folder), 'lock.db')
  const lock = tryLock(path, holderNow(instance))
  if (!lock) {
    throw new StateRefused(`another daemon works on ${folder}: ${holderOf(path)}`, {
      at: folder,
      hint: 'stop that daemon first, or give this one a data_dir of its own',
    })
  }
  return { release: () => lock.release(), [Symbol.dispose]: () => lock.release() }
}

function holderNow(instance: InstanceId): Holder {
  return { instance, pid: process.pid, host: hostname(), since: new Date().toISOString() }
}

function makeFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return folder
  } catch (error) {
    throw new StateRefused(`cannot keep locks in ${folder}: ${messageOf(error)}`, {
      cause: error,
      at: folder,
      hint: 'data_dir must be a directory that this user may write to',
    })
  }
}

function lifePath(lives: string, instance: string): string {
  return join(lives, fileOf(instance))
}

function sweepDead(lives: string, instance: string): void {
  for (const name of readdirSync(lives)) {
    if (name.endsWith('.db') && name !== fileOf(instance)) sweep(join(lives, name))
  }
}

/** The name, readable in a listing, or its hash when it is too long for a file. */
function fileOf(name: string): string {
  const escaped = encodeURIComponent(name)
  const short = escaped.length <= 120 ? escaped : createHash('sha256').update(name).digest('hex')
  return `${short}.db`
}
