import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { zstdDecompressSync } from 'node:zlib'
import type { Deployment } from './deployment.ts'
import type { Job } from './jobs.ts'
import type { Death, Drained, Outage, Ring } from './ring.ts'

/** All that is known of a deployment after its chaos, by the tests' own eyes. */
export interface Evidence {
  readonly jobs: readonly Job[]
  readonly attempts: readonly Attempt[]
  readonly copies: readonly CopyRow[]
  readonly archives: readonly Archive[]
  /** What the source tells of itself. */
  readonly counted: readonly Counted[]
  /** What is open, held or left lying about, in words. */
  readonly disorder: readonly string[]
  readonly deaths: readonly Death[]
  readonly drains: readonly Drained[]
  readonly outages: readonly Outage[]
  readonly ends: readonly End[]
}

/** A row of the history. */
export interface Attempt {
  readonly id: string
  readonly job: string
  readonly slot: number | null
  readonly status: string
  readonly instance: string
  readonly fence: number
  readonly started_at: number
  readonly finished_at: number | null
  readonly error: string | null
}

export interface CopyRow {
  readonly backup: string
  readonly key: string
  readonly status: string
  readonly bytes: number | null
  readonly sha256: string | null
}

/** An archive with a manifest, read from the target. */
export interface Archive {
  readonly key: string
  /** Of the attempt, by the manifest. */
  readonly backup: string
  readonly job: string
  readonly slot: number | null
  /** The id that the source gave, or null where the archive cannot be read. */
  readonly id: string | null
  readonly bytes: number
  readonly sha256: string
}

/** One run of the source's program. */
export interface Counted {
  readonly id: string
  readonly job: string
  readonly instance: string
  readonly from: number
  /** The last sign of life. */
  readonly to: number
  readonly isWhole: boolean
}

/** An attempt of a dead instance that another one settled. */
export interface End {
  readonly backup: string
  readonly at: number
}

export async function gather(ring: Ring): Promise<Evidence> {
  const { deployment, deaths, drains, outages } = ring
  const { database, shelf } = deployment.places
  const keys = await shelf.keys()
  return {
    jobs: deployment.jobs,
    attempts: await attemptsOf(deployment),
    copies: await database.rows<CopyRow>('select backup, key, status, bytes, sha256 from copies'),
    archives: await archivesIn(deployment, keys),
    counted: countedIn(await readFile(deployment.counts, 'utf8')),
    disorder: await disorder(ring, keys),
    deaths,
    drains,
    outages,
    ends: endsIn(deployment),
  }
}

export function attemptsOf({ places }: Deployment): Promise<readonly Attempt[]> {
  return places.database.rows<Attempt>(
    `select id, job, slot, status, instance, fence, started_at, finished_at, error
      from backups order by fence, started_at`,
  )
}

/** Nothing of this is there once every instance has come to its end. */
async function disorder(
  { deployment: { places, members }, deaths }: Ring,
  keys: readonly string[],
): Promise<readonly string[]> {
  const { database } = places
  // What these held ends by itself.
  const dead = ['none', ...deaths.map(({ instance }) => instance)].map((id) => `'${id}'`)
  const rows = await database.rows<{ what: string }>(
    `select 'open run ' || id as what from runs where status in ('pending', 'running')
    union all select 'open attempt ' || id from backups where status in ('pending', 'running')
    union all select 'open copy ' || key from copies where status = 'writing'
    union all select 'journal ' || id from journal
    union all select 'lease ' || name || ' of ' || instance from leases
      where until > extract(epoch from clock_timestamp()) * 1000
      and instance not in (${dead.join()})`,
  )
  const there = new Set(keys)
  return [
    ...members.flatMap((one) => one.falls()).map((fall) => `an instance fell: ${fall}`),
    ...rows.map(({ what }) => what),
    ...keys.filter((key) => key.endsWith('.part')).map((key) => `unfinished ${key}`),
    ...keys
      .filter((key) => /Z\.zst$/.test(key) && !there.has(`${key}.manifest.json`))
      .map((key) => `archive without manifest ${key}`),
    ...keys
      .filter((key) => key.endsWith('.manifest.json'))
      .filter((key) => !there.has(key.slice(0, -'.manifest.json'.length)))
      .map((key) => `manifest without archive ${key}`),
  ]
}

async function archivesIn(
  { places: { shelf } }: Deployment,
  keys: readonly string[],
): Promise<readonly Archive[]> {
  const found: Archive[] = []
  for (const beside of keys.filter((key) => key.endsWith('.manifest.json'))) {
    const manifest = JSON.parse(await readFile(await shelf.file(beside), 'utf8'))
    const { key, backup, job } = manifest
    const slot = manifest.slot === null ? null : Date.parse(manifest.slot)
    const bytes = await readFile(await shelf.file(key)).catch(() => Buffer.alloc(0))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    found.push({ key, backup, job, slot, id: idIn(bytes), bytes: bytes.length, sha256 })
  }
  return found
}

function idIn(archive: Buffer): string | null {
  try {
    return zstdDecompressSync(archive).subarray(0, 36).toString('latin1')
  } catch {
    return null
  }
}

export function countedIn(text: string): readonly Counted[] {
  const lines = text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [what = '', job = '', instance = '', id = '', at = ''] = line.split(' ')
      return { what, job, instance, id, at: Number(at) }
    })
  return [...Map.groupBy(lines, ({ id }) => id)].flatMap(([id, all]) => {
    const [first] = all
    if (!first) return []
    const times = all.map(({ at }) => at)
    const isWhole = all.some(({ what }) => what === 'end')
    const { job, instance } = first
    return { id, job, instance, from: Math.min(...times), to: Math.max(...times), isWhole }
  })
}

function endsIn({ members }: Deployment): readonly End[] {
  const lines = members.flatMap((one) => one.lives().flatMap((life) => life.lines))
  return lines
    .filter(({ event }) => event === 'backup.abandoned' || event === 'adopt.done')
    .map(({ backup, time }) => ({ backup, at: Date.parse(time) }))
}
