import { randomUUID } from 'node:crypto'
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Bytes } from '../lib/brand.ts'
import { Failure, type FailureOptions, Refused } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'

/** Something is at that path already, and it was left alone. */
export class PathTaken extends Failure {
  constructor(path: string, options: FailureOptions = {}) {
    super('path_taken', `${path} exists already and is not overwritten`, { at: path, ...options })
  }
}

/** The code of a system error, as `ENOENT`; null for everything else. */
export function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : null
}

/** Resolves once the file's bytes and size are on the disk. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r')
  await file.sync()
}

/** Resolves once the names in the folder are on the disk. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync().catch((error: unknown) => {
    // Some network and FUSE file systems keep names durable themselves and refuse to be asked.
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error
  })
}

/**
 * Makes the folder and its missing parents with `mode`; the name of each new one is durable when it
 * resolves. What is there already keeps its mode. Throws `PathTaken` when that is no folder.
 */
export async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      if ((await stat(path)).isDirectory()) return
      throw new PathTaken(path, { cause: error })
    }
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(dirname(path), mode)
    return makeFolders(path, mode)
  }
  await syncFolder(dirname(path))
}

/**
 * Moves a file to a name that must be free, atomically: throws `PathTaken` and keeps what is there.
 * If it throws, nothing is under `to` because of it. Durable only after the folder is synced.
 *
 * Where hard links are refused (FAT, some FUSE), an empty file claims the name for a moment.
 */
export async function renameNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (LINKS_REFUSED.includes(code)) return claimAndRename(from, to)
    if (code !== 'EEXIST') throw error
    // NFS: the answer of a link that was made can get lost; its repetition then finds our own file.
    if (!(await isSameFile(from, to))) throw new PathTaken(to, { cause: error })
  }
  await unlink(from).catch((error: unknown) => takeBack(to, error))
}

const LINKS_REFUSED = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK']

async function claimAndRename(from: string, to: string): Promise<void> {
  try {
    await (await open(to, 'wx', 0o600)).close()
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? new PathTaken(to, { cause: error }) : error
  }
  await rename(from, to).catch((error: unknown) => takeBack(to, error))
}

async function takeBack(path: string, error: unknown): Promise<never> {
  await unlink(path).catch(() => {})
  throw error
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([lstat(one), lstat(other)])
  return a.dev === b.dev && a.ino === b.ino
}

/** Replaces the file by `content`: after a crash the old or the new one is there, whole. */
export async function writeFileDurably(
  path: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    {
      await using file = await open(beside, 'wx', mode)
      await file.chmod(mode) // the umask has no say
      await file.writeFile(content)
      await file.sync()
    }
    await rename(beside, path)
  } catch (error) {
    await takeBack(beside, error)
  }
  await syncFolder(dirname(path))
}

/** Resolves once the file is gone for good. Removing what is already gone succeeds. */
export async function removeDurably(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isGone(error)) throw error
  }
  // Also when it was gone already: an earlier removal may not have reached the disk.
  await syncFolder(dirname(path)).catch((error: unknown) => {
    if (!isGone(error)) throw error
  })
}

/** Whether the error says that nothing is at that path. */
export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')
}

/** Whether anything is at that path; a symbolic link counts, wherever it leads. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

/** Bytes that an unprivileged writer can still put on the file system of that path. */
export async function freeBytes(path: string): Promise<Bytes> {
  const { bavail, bsize } = await statfs(path)
  return (bavail * bsize) as Bytes
}

/**
 * The text of a UTF-8 file of at most `limit` bytes, without a byte order mark. Throws `Refused` when
 * it is larger or no text, and the system error when it cannot be read.
 */
export async function readTextFile(path: string, limit: number): Promise<string> {
  await using file = await open(path, 'r')
  const bytes = await readUpTo(file, limit + 1)
  if (bytes.length > limit) throw new Refused(`${path} is larger than ${formatBytes(limit)}`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new Refused(`${path} is not UTF-8 text`, { cause })
  }
}

// By reading, not by size: a pipe or a file of /proc has none.
async function readUpTo(file: FileHandle, limit: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let left = limit; left > 0; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(left, 64 * 1024)))
    if (bytesRead === 0) break
    pieces.push(buffer.subarray(0, bytesRead))
    left -= bytesRead
  }
  return Buffer.concat(pieces)
}

/**
 * Whether a file system is mounted at exactly that path, a bind mount of the same disk included.
 * False when nothing is there.
 */
export async function isMountPoint(path: string): Promise<boolean> {
  try {
    const real = await realpath(path)
    const points = await mountPoints()
    if (points) return points.has(real)
    const [here, above] = await Promise.all([stat(real), stat(dirname(real))])
    return here.dev !== above.dev || here.ino === above.ino
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

/** Where file systems are mounted, or null on a system that does not tell. */
async function mountPoints(): Promise<ReadonlySet<string> | null> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => null)
  if (table === null) return null
  const plain = (path: string) =>
    path.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
  return new Set(table.split('\n').map((line) => plain(line.split(' ')[4] ?? '')))
}
