import type { Manifest } from '../core/manifest.ts'
import type { Backup, Copy, Instant } from '../core/model.ts'
import { formatBytes } from '../lib/size.ts'
import { iso } from '../lib/time.ts'
import { unreachable } from '../lib/unreachable.ts'
import { paint, plain, type Style } from './paint.ts'
import { table } from './table.ts'

/** One row of `backup list --json`: a copy, or an attempt that made none. Instants are ISO 8601. */
export interface BackupRow {
  readonly id: string
  readonly run: string
  readonly name: string | null
  readonly organization: string | null
  readonly app: string | null
  readonly job: string
  readonly source: string
  /** Null: the attempt made no copy. */
  readonly target: string | null
  /** `success` for a complete copy of a success; else `pending running failed skipped pruned missing`. */
  readonly status: string
  readonly slot: string | null
  readonly attempt: number
  readonly sizeBytes: number | null
  readonly contentBytes: number | null
  readonly storagePath: string | null
  readonly checksum: string | null
  readonly readback: string | null
  readonly startedAt: string
  readonly finishedAt: string | null
  /** When the copy was last read to its end, with success or not: `verify` says which. */
  readonly verifiedAt: string | null
  readonly verify: 'never' | 'ok' | 'failed'
  readonly pinned: boolean
  readonly keptBecause: readonly string[]
  readonly error: string | null
}

/** The row of a copy, or of an attempt without one; `reasons` are those that keep it. */
export function backupRow(
  backup: Backup,
  copy: Copy | null,
  reasons: readonly string[],
  pinned: boolean,
): BackupRow {
  return {
    id: backup.id,
    run: backup.run,
    name: backup.runName,
    organization: backup.organization,
    app: backup.app,
    job: backup.job,
    source: backup.source,
    target: copy?.target ?? null,
    status: statusOf(backup, copy),
    slot: instant(backup.slot),
    attempt: backup.attempt,
    sizeBytes: copy?.bytes ?? backup.storedBytes,
    contentBytes: backup.contentBytes,
    storagePath: copy?.key ?? null,
    checksum: copy?.sha256 ? `sha256:${copy.sha256}` : null,
    readback: copy?.readback ?? null,
    startedAt: iso(backup.startedAt),
    finishedAt: instant(backup.finishedAt),
    verifiedAt: instant(copy?.verifiedAt ?? null),
    verify: copy?.verify ?? 'never',
    pinned,
    keptBecause: reasons,
    error: copy?.error ?? backup.error,
  }
}

/** Rows as a table, in the order given; a sentence when there is none. */
export function backupsTable(rows: readonly BackupRow[], style: Style): string {
  if (rows.length === 0) return 'no backups yet'
  const named = rows.some(({ name }) => name !== null)
  const headings = [
    'ID',
    ...(named ? ['NAME'] : []),
    'JOB/SOURCE',
    'TARGET',
    'STATUS',
    'STARTED',
    'SIZE',
    'VERIFIED',
    'WHY',
  ]
  const [heading = '', ...lines] = table(
    headings,
    rows.map((row) => cellsOf(row, named ? [row.name ?? '-'] : [])),
  ).split('\n')
  const painted = lines.map((line, index) => {
    const status = rows[index]?.status
    if (status === 'success') return line
    return paint(line, status === 'failed' || status === 'missing' ? 'red' : 'dim', style)
  })
  return [paint(heading, 'bold', style), ...painted].join('\n')
}

/** One backup with its copies and what its manifest tells, for `backup show`. */
export function backupDetails(rows: readonly BackupRow[], manifest: Manifest | null): string {
  const [first] = rows
  if (first === undefined) return 'no copies'
  const facts = [
    ['backup', first.id],
    ['job', `${first.job}/${first.source}`],
    ['run', first.name === null ? first.run : `${first.name} (${first.run})`],
    ['slot', first.slot ?? 'none'],
    ['attempt', `${first.attempt}`],
    ['started', first.startedAt],
    ['finished', first.finishedAt ?? 'not yet'],
    ...(manifest === null ? [['manifest', 'none']] : manifestFacts(manifest)),
  ].map(([key = '', value = '']) => `${key.padEnd(11)} ${plain(value)}`)
  return [...facts, ...rows.flatMap(copyLines)].join('\n')
}

function manifestFacts(manifest: Manifest): readonly (readonly string[])[] {
  const { source, stored, layers, encryption, config, warnings } = manifest
  return [
    ['source', `${source.type} ${source.name}`],
    ['size', `${formatBytes(stored.bytes)} (${stored.bytes} bytes)`],
    ['sha256', stored.sha256],
    ['layers', layers.join(' ')],
    ['encryption', encryptionWords(encryption)],
    [
      'config',
      config.commit === null ? config.sha256 : `${config.sha256} (commit ${config.commit})`,
    ],
    ...warnings.map((warning) => ['warning', warning]),
  ]
}

function copyLines(row: BackupRow): readonly string[] {
  const verified =
    row.verify === 'never' ? 'never verified' : `verify ${row.verify} at ${row.verifiedAt ?? '?'}`
  const extras = [...(row.pinned ? ['pinned'] : []), ...row.keptBecause]
  const why = extras.length > 0 ? `, ${[...new Set(extras)].join(', ')}` : ''
  return [
    `copy        ${plain(row.target ?? '-')}  ${plain(row.storagePath ?? '-')}`,
    `            ${row.status}, ${verified}${why}`,
    ...(row.error === null ? [] : [`            ${plain(row.error)}`]),
  ]
}

function cellsOf(row: BackupRow, name: readonly string[]): readonly string[] {
  const verified = { never: '-', ok: row.verifiedAt ?? 'ok', failed: 'FAILED' }[row.verify]
  const kept =
    row.error !== null && row.status !== 'success' ? row.error : row.keptBecause.join(', ')
  return [
    row.id,
    ...name,
    `${row.job}/${row.source}`,
    row.target ?? '-',
    row.status,
    row.startedAt.replace(/\.\d{3}Z$/, 'Z'),
    row.sizeBytes === null ? '-' : formatBytes(row.sizeBytes),
    verified.replace(/\.\d{3}Z$/, 'Z'),
    kept,
  ]
}

/** A copy counts for what it is: of a success it may have failed, or be gone by now. */
function statusOf(backup: Backup, copy: Copy | null): string {
  if (copy === null) return backup.status
  switch (copy.status) {
    case 'complete':
      return backup.status
    case 'writing':
      return backup.status === 'success' ? 'running' : backup.status
    case 'failed':
    case 'pruned':
    case 'missing':
      return copy.status
    default:
      return unreachable(copy.status)
  }
}

function instant(at: Instant | null): string | null {
  return at === null ? null : iso(at)
}

function encryptionWords(encryption: Manifest['encryption']): string {
  if (encryption === null) return 'none'
  return encryption.scheme === 'cryptr' ? `cryptr, key ${encryption.keyId}` : encryption.scheme
}
