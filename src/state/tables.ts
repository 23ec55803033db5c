/**
 * The tables as Kysely sees them. Types are portable: text and integers; instants in milliseconds,
 * sizes in bytes, booleans as 0 and 1, lists and documents as JSON text.
 */
export interface Tables {
  readonly schema: { readonly id: number; readonly version: number }
  readonly runs: RunRow
  readonly backups: BackupRow
  readonly copies: CopyRow
  readonly restores: RestoreRow
  readonly pins: PinRow
  readonly applied: { readonly kind: 'targets' | 'jobs' | 'mark'; readonly body: string }
  readonly fences: { readonly lease: string; readonly number: number; readonly instance: string }
  readonly journal: JournalRow
  readonly outbox: OutboxRow
  readonly instances: { readonly id: string; readonly body: string; readonly until: number }
  readonly leases: LeaseRow
  readonly pauses: PauseRow
  readonly facts: { readonly key: string; readonly value: string }
}

export interface RunRow {
  readonly id: string
  readonly job: string
  readonly name: string | null
  readonly slot: number | null
  readonly trigger: string
  readonly status: string
  readonly instance: string
  readonly started_at: number
  readonly finished_at: number | null
}

export interface BackupRow {
  readonly id: string
  readonly run: string
  readonly run_name: string | null
  readonly job: string
  readonly organization: string | null
  readonly app: string | null
  readonly source: string
  readonly source_kind: string
  readonly group_id: string
  readonly slot: number | null
  readonly attempt: number
  readonly trigger: string
  readonly status: string
  readonly instance: string
  readonly fence: number
  readonly started_at: number
  readonly finished_at: number | null
  readonly stored_bytes: number | null
  readonly content_bytes: number | null
  readonly error: string | null
  readonly warnings: string
}

export interface CopyRow {
  readonly backup: string
  readonly target: string
  readonly group_id: string
  readonly key: string
  readonly status: string
  readonly bytes: number | null
  readonly sha256: string | null
  readonly readback: string | null
  readonly taken_at: number
  readonly verified_at: number | null
  readonly verify: string
  readonly error: string | null
  readonly retained_until: number | null
  readonly retained_why: string | null
  readonly encryption: string | null
}

export interface RestoreRow {
  readonly id: string
  readonly reference: string
  readonly job: string | null
  readonly source: string | null
  readonly group_id: string | null
  readonly backup: string | null
  readonly target: string | null
  readonly key: string
  readonly sha256: string
  readonly restored_to: string
  readonly in_place: number
  readonly status: string
  readonly requested_by: string
  readonly instance: string
  readonly previous: string | null
  readonly started_at: number
  readonly finished_at: number | null
  readonly error: string | null
  /** 1 once its baseline is complete. */
  readonly released: number
  readonly home: string | null
}

export interface PinRow {
  readonly target: string
  readonly key: string
  readonly reason: string
  readonly pinned_at: number
}

export interface JournalRow {
  readonly id: string
  readonly opened_at: number
  readonly body: string
}

export interface OutboxRow {
  readonly id: string
  readonly channel: string
  readonly body: string
  readonly attempts: number
  readonly next_at: number
  readonly created_at: number
}

export interface LeaseRow {
  readonly name: string
  readonly instance: string
  readonly fence: number
  readonly until: number
}

export interface PauseRow {
  readonly subject: string
  readonly reason: string
  readonly author: string
  readonly paused_at: number
}
