import type { Readable } from 'node:stream'
import type { Bytes } from '../../core/model.ts'
import { forEachConcurrent } from '../../lib/concurrent.ts'
import { ObjectMissing, ObjectRetained, Refused } from '../../lib/errors.ts'
import { unlessAborted } from '../../lib/limits.ts'
import { checkKey } from '../keys.ts'
import {
  NOTHING_RETAINED,
  type Page,
  type Retentions,
  type Target,
  type TargetKind,
} from '../target.ts'
import { connect } from './connect.ts'
import { deliver } from './deliver.ts'
import { identityOf, type OpenKeys } from './identity.ts'
import { LIMITS, type SshLimits } from './limits.ts'
import { listPages } from './list.ts'
import { connectionName, fault, readOptions } from './options.ts'
import {
  erase,
  folderPath,
  type Place,
  partOf,
  refuseDetours,
  removeEmptyFolders,
  statObject,
} from './place.ts'
import { makePool } from './pool.ts'
import { readFrom } from './read.ts'
import { isRefusal, NO_SUCH_FILE, PERMISSION_DENIED } from './refusal.ts'
import { makeVisits, type Visits } from './visit.ts'

/** Objects that are removed at a time. */
const REMOVALS = 16

/** A folder of another machine, by the SFTP of its SSH server. No shell is needed there. */
export const ssh: TargetKind = sshKind(LIMITS)

/** The kind with other limits; each has connections of its own. */
export function sshKind(limits: SshLimits): TargetKind {
  const pool = makePool(limits)
  const keys: OpenKeys = new Map()
  return {
    kind: 'ssh',
    offHost: true,

    configure(section, { allowLocal, dataDir, report }) {
      if (!allowLocal) {
        const message = 'ssh targets are forbidden by ALLOW_LOCAL_BACKUPS=false'
        throw fault(section.path, 'type', message)
      }
      const options = readOptions(section)
      const name = connectionName(options, dataDir)
      const identity = () => identityOf(options, name, keys)
      const open = () => connect(options, { dataDir, report, identity }, limits)
      const { label, root } = options
      return sshTarget(makeVisits({ label, root, limits, lease: () => pool.lease(name, open) }))
    },
  }
}

function sshTarget(visits: Visits): Target {
  const { visit } = visits
  return {
    put: (key, body, putting, signal) => deliver(visits, { key, body, putting }, signal),

    async get(key, start, signal) {
      checkKey(key)
      return await openObject(visits, { key, start }, signal)
    },

    async stat(key, signal) {
      checkKey(key)
      return await visit(`look at ${key}`, signal, (place) => statObject(place, key))
    },

    list: (prefix, signal) => listing(visits, prefix, signal),

    async remove(keys, signal) {
      for (const key of keys) checkKey(key)
      if (keys.length === 0) return NOTHING_RETAINED
      const what = keys.length === 1 ? `remove ${keys[0]}` : `remove ${keys.length} objects`
      return await visit(what, signal, (place) => removeObjects(place, keys, signal))
    },

    retained: async () => NOTHING_RETAINED,

    async abort({ key, token }, signal) {
      if (token === null) throw new Refused(`an unfinished ${key} without a token is none of ours`)
      checkKey(key)
      await visit(`remove the unfinished ${key}`, signal, async (place) => {
        await refuseDetours(place, key)
        await erase(place, partOf(place.root, key, token))
      })
    },

    free: (signal) => visit('ask for free space', signal, freeSpace),

    link: async () => null,
    posture: null,
  }
}

interface Wanted {
  readonly key: string
  readonly start: number
}

/** The stream keeps the connection until it is closed. */
async function openObject(
  visits: Visits,
  { key, start }: Wanted,
  signal: AbortSignal,
): Promise<Readable> {
  const stay = await visits.stay(`read ${key}`, signal)
  const opening = (async () => {
    if ((await statObject(stay.place, key)) === null) throw new ObjectMissing(key)
    return await stay.place.sftp.open(`${stay.place.root}/${key}`)
  })()
  try {
    const handle = await unlessAborted(opening, signal)
    const { meant, leaveAfter } = stay
    return readFrom({ sftp: stay.place.sftp, handle, start, meant, over: leaveAfter }, signal)
  } catch (error) {
    stay.leaveAfter(opening.then((late) => stay.place.sftp.close(late)))
    if (isRefusal(error, NO_SUCH_FILE)) throw new ObjectMissing(key, { cause: error })
    throw await stay.meant(error)
  }
}

async function* listing(visits: Visits, prefix: string, signal: AbortSignal): AsyncGenerator<Page> {
  const stay = await visits.stay(`list ${prefix || 'everything'}`, signal)
  const pages = listPages(stay.place, prefix, signal)
  try {
    for (;;) {
      const next = await unlessAborted(pages.next(), signal)
      if (next.done) return
      yield next.value
    }
  } catch (error) {
    throw await stay.meant(error)
  } finally {
    stay.leaveAfter(pages.return(undefined))
  }
}

async function removeObjects(
  place: Place,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Retentions> {
  const kept = new Map<string, ObjectRetained>()
  await forEachConcurrent(keys, REMOVALS, async (key) => {
    signal.throwIfAborted()
    const path = `${place.root}/${key}`
    const found = await statObject(place, key)
    // What is no regular file is no object, and not ours to remove.
    if (found === null && (await place.sftp.lstat(path))) return
    const refusal = found && (await place.sftp.unlink(path).catch((error: unknown) => error))
    if (isRefusal(refusal, PERMISSION_DENIED)) {
      kept.set(key, new ObjectRetained(key, null, { cause: refusal }))
    } else if (refusal && !isRefusal(refusal, NO_SUCH_FILE)) throw refusal
    else await removeEmptyFolders(place, path)
  })
  return kept
}

/** Of the folder, or of the one that it will be made in. */
async function freeSpace({ root, sftp }: Place): Promise<Bytes | null> {
  for (let folder = folderPath(root, ''); ; folder = parentOf(folder)) {
    try {
      const space = await sftp.space(folder)
      return space && (space.free as Bytes)
    } catch (error) {
      if (!isRefusal(error, NO_SUCH_FILE) || folder === '/' || folder === '.') throw error
    }
  }
}

function parentOf(folder: string): string {
  const slash = folder.lastIndexOf('/')
  return slash > 0 ? folder.slice(0, slash) : slash === 0 ? '/' : '.'
}
