import type { Bytes, Millis } from '../../core/model.ts'
import type { Check } from './checks.ts'
import type { Server } from './server.ts'

/** What pg_dump writes: one compressed file, a folder with a file for each table, or SQL. */
export type DumpFormat = 'custom' | 'directory' | 'plain'

/** A postgres source as the config declares it. */
export interface PostgresSettings {
  readonly server: Server
  readonly subject: Subject
  readonly format: DumpFormat
  /** Of a plain dump, with its dot. */
  readonly extension: string
  /** Level of pg_dump's own compression; 0 leaves it to the job's. */
  readonly compress: number
  /** Tables at once. */
  readonly jobs: number | null
  /** Less content than this fails the backup. */
  readonly minSize: Bytes | null
  /** How long a dump waits for a table that somebody alters. */
  readonly lockTimeout: Millis
  /** Whether passwords of roles may be archived. */
  readonly rolePasswords: boolean
  /** Whether the containers that had sessions are restarted once the database was replaced. */
  readonly restart: boolean
  /** What a restored database is asked before it takes the place of the live one. */
  readonly checks: readonly Check[]
}

export type Subject =
  /** Null: the one that the address or the environment names. */
  | { readonly kind: 'database'; readonly name: string | null }
  | { readonly kind: 'globals' }
  /** A declaration of many that nobody has told apart yet. */
  | { readonly kind: 'all' }
