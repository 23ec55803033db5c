import { openEngine } from '../../docker/engine.ts'
import { findVolume } from '../../docker/volumes.ts'
import { RestoreFailed } from '../../lib/errors.ts'
import { fileRealm } from '../../platform/file-realm.ts'
import { PathTaken } from '../../platform/files.ts'
import type { Move, Realm } from '../source.ts'
import { accessTo } from './access.ts'
import { INSIDE, type Place } from './place.ts'
import { openSession, type Session } from './session.ts'
import type { VolumeSettings } from './settings.ts'

/** The session of a restore under way, which its realm works in. */
export interface Shared {
  session: Session | null
}

/** How moves name what lies in a volume that is no folder of ours: `volume:NAME/path`. */
export function nameInside(volume: string, path: string): string {
  return `volume:${volume}/${path}`
}

interface Named {
  readonly volume: string
  /** As a container of ours sees it. */
  readonly path: string
}

function parseName(name: string): Named {
  const [, volume = '', path = ''] = /^volume:([^/]+)\/(.+)$/s.exec(name) ?? []
  return { volume, path: `${INSIDE}/${path}` }
}

/**
 * Where the moves of a volume's restore are made: among the files of this host where the volume is a
 * folder here, else by programs in a container of ours, one after the other.
 */
export function realmOfVolume(settings: VolumeSettings, shared: Shared): Realm {
  const warm = new Map<string, Warm>()
  const inside = async <T>(name: string, work: (session: Session, path: string) => Promise<T>) => {
    const { volume, path } = parseName(name)
    if (shared.session) return await work(shared.session, path)
    const own = warm.get(volume) ?? keepWarm(() => openFor(settings, volume))
    warm.set(volume, own)
    return await own.use((session) => work(session, path))
  }
  const isFile = (name: string) => name.startsWith('/')
  return {
    exists: (name) => (isFile(name) ? fileRealm.exists(name) : inside(name, existsIn)),
    rename: (move) =>
      isFile(move.from)
        ? fileRealm.rename(move)
        : inside(move.from, (session) => renameIn(session, move)),
    settle: (move) =>
      isFile(move.from)
        ? fileRealm.settle(move)
        : inside(move.to, async (session, path) => {
            await session.must(['sync', '-f', '--', parentOf(path)])
          }),
    makeRoom: (name) =>
      isFile(name)
        ? fileRealm.makeRoom(name)
        : inside(name, async (session, path) => {
            await session.must(['mkdir', '-p', '-m', '700', '--', parentOf(path)])
          }),
    remove: (name) =>
      isFile(name)
        ? fileRealm.remove(name)
        : inside(name, async (session, path) => {
            await session.must(['rm', '-rf', '--one-file-system', '--', path])
          }),
    isPrevious: (name) => {
      const last = name.slice(name.lastIndexOf('/') + 1)
      return isFile(name) ? fileRealm.isPrevious(name) : last.includes('holdfast-previous')
    },
  }
}

/** How long a session waits for another move, in milliseconds: starting one takes as long as ten of them. */
const IDLE = 1_000

/** A session that is opened when it is needed, and closed when it has not been for a while. */
interface Warm {
  use<T>(work: (session: Session) => Promise<T>): Promise<T>
}

function keepWarm(open: () => Promise<Session>): Warm {
  let session: Promise<Session> | null = null
  let timer: NodeJS.Timeout | null = null
  const close = () => {
    // One that cannot be removed ends by itself, and the next sweep removes it.
    session?.then((one) => one[Symbol.asyncDispose]()).catch(() => {})
    session = null
  }
  return {
    async use(work) {
      if (timer) clearTimeout(timer)
      session ??= open()
      try {
        return await work(await session)
      } catch (error) {
        close()
        throw error
      } finally {
        if (timer) clearTimeout(timer)
        timer = setTimeout(close, IDLE)
      }
    },
  }
}

async function openFor(settings: VolumeSettings, name: string): Promise<Session> {
  const { signal } = new AbortController()
  const engine = await openEngine(settings.address)
  const volume = await findVolume(engine, name, signal)
  if (volume === null) throw new RestoreFailed(`volume ${name} is gone from ${engine.label}`)
  // Whatever way is open now, the moves were named for a container's.
  const place: Place = { engine, volume, settings: { ...settings, via: 'helper' } }
  const access = await accessTo(place, 'write', signal)
  if (access.kind !== 'helper') throw new RestoreFailed(`no container reaches volume ${name}`)
  return await openSession(place, access.box.image, signal)
}

async function existsIn(session: Session, path: string): Promise<boolean> {
  const { code } = await session.run(['test', '-e', path, '-o', '-L', path])
  if (code === 0 || code === 1) return code === 0
  throw new RestoreFailed(`cannot look for ${path}: test ended with ${code}`)
}

async function renameIn(session: Session, { from, to }: Move): Promise<void> {
  const [source, target] = [parseName(from).path, parseName(to).path]
  if (await existsIn(session, target)) throw new PathTaken(to)
  // It says nothing when it finds the place taken.
  await session.must(['mv', '-T', '-n', '--', source, target])
  if (await existsIn(session, source)) throw new PathTaken(to)
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
