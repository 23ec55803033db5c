/*
 * Files as a small company has them, always the same ones: sources, prose, JSON, logs, photos, a
 * database, a film. Text is of words by how often they are used, so that it compresses as text does.
 */
import { createCipheriv } from 'node:crypto'
import { mkdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Dice, dice } from './dice.ts'
import { type FileKind, writeText } from './writing.ts'

export interface DatasetSize {
  readonly bytes: number
  readonly files: number
}

/** Part of another version of this file when what it makes changes. */
const EDITION = 1
const EPOCH = Date.UTC(2026, 0, 1) / 1000
const YEAR = 365 * 24 * 60 * 60
/** Files of one folder. */
const FOLDER = 20
const AT_ONCE = 8

/** Of a hundred files so many are of this kind, and of a hundred bytes so many are in them. */
const MIX: readonly { readonly kind: FileKind; readonly files: number; readonly bytes: number }[] =
  [
    { kind: 'source', files: 50, bytes: 12 },
    { kind: 'json', files: 20, bytes: 16 },
    { kind: 'prose', files: 15, bytes: 6 },
    { kind: 'photo', files: 10, bytes: 25 },
    { kind: 'log', files: 5, bytes: 16 },
  ]

/** The few that are large, with their share of all bytes. */
const LARGE: readonly { readonly path: string; readonly kind: FileKind; readonly bytes: number }[] =
  [
    { path: 'databases/orders.db', kind: 'database', bytes: 12 },
    { path: 'films/launch.mp4', kind: 'photo', bytes: 8 },
    { path: 'logs/access.log', kind: 'log', bytes: 5 },
  ]

const PLACES: Readonly<Record<FileKind, { readonly folder: string; readonly ending: string }>> = {
  source: { folder: 'projects', ending: '.ts' },
  json: { folder: 'exports', ending: '.json' },
  prose: { folder: 'documents', ending: '.md' },
  photo: { folder: 'photos', ending: '.jpg' },
  log: { folder: 'logs', ending: '.log' },
  database: { folder: 'databases', ending: '.db' },
}

interface PlannedFile {
  readonly path: string
  readonly kind: FileKind
  readonly bytes: number
  readonly seed: number
}

/**
 * Gives the folder of a data set of this size under `cache`, making it when it is not there: the
 * same bytes, names and times on every machine.
 */
export async function dataset(cache: string, size: DatasetSize): Promise<string> {
  const folder = join(cache, `data-${EDITION}-${size.bytes}-${size.files}`)
  if (await stat(folder).catch(() => null)) return folder
  const making = `${folder}.making-${process.pid}`
  await rm(making, { recursive: true, force: true })
  const files = planFiles(size)
  for (const parent of new Set(files.map(({ path }) => dirname(path)))) {
    await mkdir(join(making, parent), { recursive: true })
  }
  const queue = files.values()
  const write = async () => {
    for (const file of queue) await writePlanned(making, file)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, write))
  await symlink('documents', join(making, 'papers'))
  await rename(making, folder)
  return folder
}

/** Every file of the data set; sizes vary as sizes do and come to what was asked for. */
export function planFiles({ bytes, files }: DatasetSize): readonly PlannedFile[] {
  const large = LARGE.map(({ path, kind, bytes: share }, index) => ({
    path,
    kind,
    bytes: Math.round((bytes * share) / 100),
    seed: index + 1,
  }))
  const rest = files - large.length
  const counts = MIX.map(({ files: share }) => Math.max(1, Math.floor((rest * share) / 100)))
  const left = rest - counts.reduce((sum, count) => sum + count, 0)
  const small = MIX.flatMap(({ kind, bytes: share }, index) => {
    const count = (counts[index] ?? 0) + (index === 0 ? left : 0)
    return filesOfKind(kind, count, (bytes * share) / 100)
  })
  return [...large, ...small]
}

function filesOfKind(kind: FileKind, count: number, bytes: number): readonly PlannedFile[] {
  const random = dice(kind.length * 7919 + count)
  const weights = Array.from({ length: count }, () => Math.exp(bell(random) * 1.1))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const { folder, ending } = PLACES[kind]
  return weights.map((weight, index) => {
    const place = Math.floor(index / FOLDER)
    const parts = [folder, `part-${place % 40}`, `folder-${place}`, `${kind}-${index}${ending}`]
    return {
      path: parts.join('/'),
      kind,
      bytes: Math.max(1, Math.round((bytes * weight) / sum)),
      seed: kind.length * 1_000_003 + index,
    }
  })
}

/** About a normal distribution. */
function bell(random: Dice): number {
  let sum = -6
  for (let roll = 0; roll < 12; roll++) sum += random.share()
  return sum
}

async function writePlanned(root: string, { path, kind, bytes, seed }: PlannedFile): Promise<void> {
  const at = join(root, path)
  const content = kind === 'photo' ? noise(bytes, seed) : writeText(kind, bytes, seed)
  await writeFile(at, content, { mode: seed % 50 === 0 ? 0o755 : 0o644 })
  const time = EPOCH - ((seed * 7919) % YEAR)
  await utimes(at, time, time)
}

/** What no compressor makes smaller. */
function noise(bytes: number, seed: number): Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
}
