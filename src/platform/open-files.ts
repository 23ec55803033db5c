import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { codeOf } from './files.ts'

/** A process that has one of the files open or locked. */
export interface Holder {
  /** Null for a lock that the kernel ascribes to no process of ours to see. */
  readonly pid: number | null
  /** Short name as the kernel has it; never its arguments, which may hold secrets. */
  readonly program: string
  /** The path that was asked about. */
  readonly path: string
}

export interface OpenFiles {
  readonly holders: readonly Holder[]
  /** What could not be looked at, in words; empty when every process of the machine was seen. */
  readonly unseen: readonly string[]
}

/** The kernel's fixed number of the pid namespace that holds every process. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'
const NOT_FILES = /^(?!\/)|^\/(dev|proc|sys)\//

/**
 * Who has any of `paths` open or locked, by device and inode: other names and mounts of a file
 * count as well. Paths that do not exist are held by nobody. Resolves also where /proc is missing,
 * and says in `unseen` what that leaves open.
 */
export async function openFiles(paths: readonly string[], signal: AbortSignal): Promise<OpenFiles> {
  const wanted = await identify(paths)
  const names = await readdir('/proc').catch(() => null)
  if (names === null)
    return { holders: [], unseen: ['/proc is not mounted: no process was looked at'] }
  const pids = names.filter((name) => /^\d+$/.test(name))

  const holders = new Map<string, Holder>()
  let closed = 0
  for (const pid of pids) {
    signal.throwIfAborted()
    const held = await heldBy(pid, wanted)
    if (held === 'closed') closed++
    else for (const path of held) holders.set(`${pid} ${path}`, await holder(Number(pid), path))
  }
  for (const { pid, path } of await locked(wanted)) {
    if (!holders.has(`${pid} ${path}`)) holders.set(`${pid} ${path}`, await holder(pid, path))
  }
  return { holders: [...holders.values()], unseen: await blindSpots(closed) }
}

/** `dev:inode` → path. */
async function identify(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const wanted = new Map<string, string>()
  for (const path of paths) {
    const { dev, ino } = (await stat(path, { bigint: true }).catch(() => null)) ?? {}
    if (ino !== undefined) wanted.set(`${dev}:${ino}`, path)
  }
  return wanted
}

async function heldBy(
  pid: string,
  wanted: ReadonlyMap<string, string>,
): Promise<ReadonlySet<string> | 'closed'> {
  const folder = `/proc/${pid}/fd`
  const numbers = await readdir(folder).catch((error: unknown) => codeOf(error))
  if (numbers === null || typeof numbers === 'string') {
    // A process that ended meanwhile holds nothing.
    return numbers === 'EACCES' || numbers === 'EPERM' ? 'closed' : new Set()
  }
  const held = new Set<string>()
  for (const number of numbers) {
    const name = await readlink(`${folder}/${number}`).catch(() => '')
    if (NOT_FILES.test(name)) continue
    const { dev, ino } =
      (await stat(`${folder}/${number}`, { bigint: true }).catch(() => null)) ?? {}
    const path = wanted.get(`${dev}:${ino}`)
    if (path !== undefined) held.add(path)
  }
  return held
}

/** /proc/locks names the holders of locks whose open files we may not look at. */
async function locked(
  wanted: ReadonlyMap<string, string>,
): Promise<readonly { readonly pid: number | null; readonly path: string }[]> {
  const table = await readFile('/proc/locks', 'utf8').catch(() => '')
  const byNumber = new Map([...wanted].map(([key, path]) => [kernelKey(key), path]))
  return table.split('\n').flatMap((line) => {
    // `1: POSIX  ADVISORY  READ 7527 fe:00:9978531 128 128`; `->` marks one who only waits.
    const [, pid, key] =
      /^\d+: \w+\s+\w+\s+\w+\s+(-?\d+) ([0-9a-f]+:[0-9a-f]+:\d+) /.exec(line) ?? []
    const path = key === undefined ? undefined : byNumber.get(key)
    return path === undefined ? [] : [{ pid: Number(pid) > 0 ? Number(pid) : null, path }]
  })
}

/** `dev:inode` as /proc/locks spells it: major and minor in hex. */
function kernelKey(key: string): string {
  const [dev = 0n, ino = 0n] = key.split(':').map(BigInt)
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
  const hex = (number: bigint) => number.toString(16).padStart(2, '0')
  return `${hex(major)}:${hex(minor)}:${ino}`
}

async function holder(pid: number | null, path: string): Promise<Holder> {
  if (pid === null) return { pid, program: 'unknown', path }
  const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'unknown')
  return { pid, program: program.trim(), path }
}

async function blindSpots(closed: number): Promise<readonly string[]> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  const spots: string[] = []
  if (closed > 0) {
    spots.push(`the open files of ${closed} processes of other users could not be looked at`)
  }
  if (namespace !== FIRST_PID_NAMESPACE) {
    spots.push('processes outside this container could not be looked at')
  }
  return spots
}
