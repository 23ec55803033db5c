// The nouns of the whole program on one page, longer than others because they are read together.
import type { Brand, Bytes, Instant, Millis } from '../lib/brand.ts'
import type { Secret } from '../lib/secret.ts'
import type { AutoSettings, DesiredApp, DockerSettings, Ignore } from './docker-settings.ts'
import type { Http, Identity, StateAddress } from './fleet.ts'
import type { ManifestEncryption } from './manifest.ts'

export type { Bytes, Instant, Millis } from '../lib/brand.ts'

/** `name`, or `organization/name`. */
export type TargetId = Brand<string, 'TargetId'>
/** `name`, or `organization/name`. */
export type JobId = Brand<string, 'JobId'>
/** `{organization or system}/{app or job}/{source}`: what retention groups by and keys begin with. */
export type GroupId = Brand<string, 'GroupId'>
export type RunId = Brand<string, 'RunId'>
export type BackupId = Brand<string, 'BackupId'>
export type RestoreId = Brand<string, 'RestoreId'>
/** One running process of Holdfast, daemon or command. */
export type InstanceId = Brand<string, 'InstanceId'>

/** A JSON-like block of options whose secrets are wrapped. */
export type Options = { readonly [key: string]: OptionValue }
export type OptionValue =
  | string
  | number
  | boolean
  | null
  | Secret
  | readonly OptionValue[]
  | { readonly [key: string]: OptionValue }

/** The config after validation: every default filled in, every reference resolved. */
export interface Desired {
  readonly deployment: string
  /** Absolute. */
  readonly dataDir: string
  /** Absolute. */
  readonly scratchDir: string
  readonly state: StateAddress
  /** Address of Redis, or null. */
  readonly redis: Secret | null
  readonly identity: Identity
  /** How many instances are expected to run. */
  readonly instances: number
  /** Null: nothing is listened on but the socket in data_dir. */
  readonly http: Http | null
  readonly encryption: Encryption | null
  readonly signing: Signing | null
  readonly limits: Limits
  readonly drainTimeout: Millis
  readonly restore: { readonly once: boolean }
  readonly targets: readonly DesiredTarget[]
  readonly jobs: readonly DesiredJob[]
  readonly channels: readonly Channel[]
  /** Null: no block of it, and no source that needs it. */
  readonly docker: DockerSettings | null
  /** Apps that the file names. */
  readonly apps: readonly DesiredApp[]
  /** Null: no job is made by itself. */
  readonly auto: AutoSettings | null
  readonly ignore: readonly Ignore[]
  /** Blocks that are understood but not built in this version; `apply` and `daemon` refuse them. */
  readonly unavailable: readonly Unavailable[]
  /** What deserves a look but stops nothing: aliases, sections left alone. */
  readonly notices: readonly string[]
  readonly origin: Origin
}

/** Where the config came from. */
export interface Origin {
  /** Absolute path of the file. */
  readonly path: string
  /** Hex sha256 of the file's bytes. */
  readonly sha256: string
  /** The git commit that holds the file, when it lies in a work tree. */
  readonly commit: string | null
  /** Every file that was read: the config, its secrets file, `_file` twins. */
  readonly files: readonly string[]
}

export interface Unavailable {
  /** Path in the config: `targets.offsite`. */
  readonly path: string
  /** What is asked for: `target type s3`. */
  readonly what: string
}

export interface DesiredTarget {
  readonly id: TargetId
  readonly organization: string | null
  readonly name: string
  readonly kind: string
  /** `local`, `s3`, …: the keys of its block after aliases and defaults. */
  readonly options: Options
  readonly isDefault: boolean
  readonly retention: Retention | null
  /** How many jobs may write there at once, or null. */
  readonly concurrency: number | null
  /** Hash of everything declared, secrets left out: equal means nothing to apply. */
  readonly fingerprint: string
  /** The declared facts in words, for the diff of an update: `path` → `/srv/backups`. */
  readonly facts: Facts
}

export type Facts = Readonly<Record<string, string>>

export interface DesiredJob {
  readonly id: JobId
  readonly organization: string | null
  /** Key in the file. */
  readonly name: string
  /** Display name; the key unless `name:` is set. */
  readonly title: string
  readonly enabled: boolean
  /** Null: runs on request only. */
  readonly schedule: Schedule | null
  readonly sources: readonly DesiredSource[]
  readonly targets: readonly JobTarget[]
  /** Why `targets` is empty, in words, or null. */
  readonly noTarget: string | null
  /** How many targets must hold the copy for a success. */
  readonly require: number
  readonly retry: Retry
  readonly objectives: Objectives
  readonly notify: readonly Subscription[]
  readonly compression: Compression
  readonly encryption: Encryption | null
  readonly firstRun: 'slot' | 'now'
  readonly renamedFrom: JobId | null
  readonly maxDuration: Millis | null
  /** Key template, with `{source}` and `{timestamp}`; null is DESIGN §5's. */
  readonly path: string | null
  readonly app: string | null
  /** Below this share of the median of the recent archives, an archive is suspicious. 0..1 */
  readonly shrinkGuard: number
  /** Share of a group that one pass may delete. 0..1 */
  readonly maxDelete: number
  /** Ids and labels of instances that may run it; none: those that can see its sources. */
  readonly on: readonly string[]
  /** Id of the same job in a Vardo on the same Redis, or null. */
  readonly vardoJobId: string | null
  /** Archives as Vardo reads them: gzip, plain, dumps as SQL. Absent: as everywhere. */
  readonly format?: 'vardo'
  /** What is asked of its restored databases. Absent: nothing. */
  readonly checks?: readonly DesiredCheck[]
  /** Of a job that was made for an app by itself: the app as the engine has it, and the instance that sees it. */
  readonly auto?: { readonly app: string; readonly instance: string }
  readonly fingerprint: string
  readonly facts: Facts
}

export interface Schedule {
  /** As written. */
  readonly cron: string
  /** IANA name. */
  readonly timezone: string
  /** How `cron` is read: as the Rust crate `cron` reads it, or, without it, as croner does. */
  readonly dialect?: 'cron-crate'
}

/** A question that is asked of a restored database before it takes the place of the live one. */
export interface DesiredCheck {
  readonly name: string
  /** The source that it is about; null for each database of the job. */
  readonly source: string | null
  /** Gives one value. */
  readonly sql: string
  /** As written: a value, or a comparison. Null: anything but nothing, 0 and false. */
  readonly expect: string | null
  readonly timeout: Millis
}

export interface DesiredSource {
  readonly kind: string
  readonly name: string
  readonly group: GroupId
  readonly options: Options
  /** Its name was chosen by whoever declared it: what it stands for goes by it as well. */
  readonly isNamed?: true
  /** It was there once and is no more: nothing is backed up, and what was can be restored. */
  readonly isGone?: true
}

export interface JobTarget {
  readonly target: TargetId
  /** Retention of this job on this target, resolved: the target's entry in the job, else the job's, else the target's. */
  readonly retention: Retention
  /** How this job's archives are closed there: as everywhere, unless the target's entry says otherwise. */
  readonly encryption: Encryption | null
  /**
   * The target that a copy here has to wait for: retention lets it go only once the same backup was
   * complete there. Absent: it waits for none.
   */
  readonly prunedAfter?: TargetId
}

export interface Retry {
  /** In all, the first one counted. */
  readonly attempts: number
  /** After the slot. */
  readonly within: Millis
}

export interface Objectives {
  readonly rpo: Millis | null
  readonly rto: Millis | null
  /** Null: verified on request only. */
  readonly verifiedWithin: Millis | null
  readonly drilledWithin: Millis | null
}

export type Compression =
  | { readonly kind: 'zstd'; readonly level: number }
  | { readonly kind: 'gzip'; readonly level: number }
  | { readonly kind: 'none' }

export type Encryption = AgeEncryption | CryptrEncryption

/** Recipients or a passphrase to encrypt, identities or the passphrase to decrypt. */
export interface AgeEncryption {
  readonly scheme: 'age'
  readonly recipients: readonly string[]
  readonly passphraseFile: string | null
  readonly identityFiles: readonly string[]
}

/** Hiqlite's and Rauthy's: the same keys close and open. */
export interface CryptrEncryption {
  readonly scheme: 'cryptr'
  readonly keys: readonly CryptrKey[]
  /** Id of the key that new archives are closed with. */
  readonly active: string
}

export interface CryptrKey {
  readonly id: string
  /** Standard base64 of 32 bytes. */
  readonly key: Secret
}

/** How manifests are signed. With one configured, an unsigned or wrongly signed manifest is foreign. */
export type Signing =
  | { readonly kind: 'hmac'; readonly keyFile: string }
  | {
      readonly kind: 'ed25519'
      readonly privateKeyFile: string | null
      readonly publicKeyFile: string
    }

export interface Limits {
  /** Jobs at once. */
  readonly concurrency: number
  /** Stored bytes a second over everything, or null. */
  readonly bandwidth: Bytes | null
  /** Threads of zstd; 0 is one for each core. */
  readonly zstdThreads: number
  /** Added niceness of the programs, 0 to 19. */
  readonly nice: number
  /** Of one backup attempt. */
  readonly maxDuration: Millis | null
}

/** Vardo's union rules. Null: the rule is not set; 0: it is set and keeps none. */
export interface Retention {
  readonly keepAll: boolean
  readonly keepLast: number | null
  readonly keepHourly: number | null
  readonly keepDaily: number | null
  readonly keepWeekly: number | null
  readonly keepMonthly: number | null
  readonly keepYearly: number | null
  readonly keepWithin: Millis | null
  readonly keepWithinHourly: Millis | null
  readonly keepWithinDaily: Millis | null
  readonly keepWithinWeekly: Millis | null
  readonly keepWithinMonthly: Millis | null
  readonly keepWithinYearly: Millis | null
  /** Never fewer; 1 unless declared, never below 1. */
  readonly keepAtLeast: number
  /** Zone of hours, days, weeks, months and years. */
  readonly timezone: string
}

export interface Channel {
  /** `name`, or `organization/name`. */
  readonly id: string
  /** `webhook`, `ping`. */
  readonly kind: string
  readonly options: Options
  readonly on: readonly Occasion[]
}

export type Occasion = 'failure' | 'recovery' | 'success'

export interface Subscription {
  readonly channel: string
  readonly on: readonly Occasion[]
}

/* ---- history ---- */

export type RunStatus = 'running' | 'success' | 'partial' | 'failed' | 'skipped'
export type BackupStatus = 'pending' | 'running' | 'success' | 'failed' | 'skipped'
export type CopyStatus = 'writing' | 'complete' | 'failed' | 'pruned' | 'missing'
export type Trigger =
  | 'schedule'
  | 'catch-up'
  | 'retry'
  | 'manual'
  | 'first-run'
  | 'baseline'
  | 'adopted'

/** One slot of a job, or one `backup create`. */
export interface Run {
  readonly id: RunId
  readonly job: JobId
  readonly name: string | null
  readonly slot: Instant | null
  readonly trigger: Trigger
  readonly status: RunStatus
  readonly instance: InstanceId
  readonly startedAt: Instant
  readonly finishedAt: Instant | null
}

/** One attempt to archive one source. */
export interface Backup {
  readonly id: BackupId
  readonly run: RunId
  readonly runName: string | null
  readonly job: JobId
  readonly organization: string | null
  readonly app: string | null
  readonly source: string
  readonly sourceKind: string
  readonly group: GroupId
  readonly slot: Instant | null
  /** 1 for the first of its slot. */
  readonly attempt: number
  readonly trigger: Trigger
  readonly status: BackupStatus
  readonly instance: InstanceId
  readonly fence: number
  readonly startedAt: Instant
  readonly finishedAt: Instant | null
  readonly storedBytes: Bytes | null
  /** Known once the source told it or a verify read it. */
  readonly contentBytes: Bytes | null
  readonly error: string | null
  readonly warnings: readonly string[]
}

/** One archive of a backup on one target. */
export interface Copy {
  readonly backup: BackupId
  readonly target: TargetId
  readonly group: GroupId
  /** Object key of the archive; the manifest is `<key>.manifest.json`. */
  readonly key: string
  readonly status: CopyStatus
  readonly bytes: Bytes | null
  /** Hex sha256 of the stored bytes. */
  readonly sha256: string | null
  /** The strongest check that the target gave at write: `size`, `etag`, `checksum`. */
  readonly readback: string | null
  /** End of the attempt, as the manifest tells: what retention goes by. */
  readonly takenAt: Instant
  readonly verifiedAt: Instant | null
  readonly verify: 'never' | 'ok' | 'failed'
  readonly error: string | null
  /**
   * Why the target did not let it go when it was to be deleted, and until when it is left alone: the
   * end of its lock, or for a key that may not delete, when it is worth another try.
   */
  readonly retained: { readonly until: Instant; readonly why: 'lock' | 'permission' } | null
  /** As its manifest tells; absent: not known, for it was written before this was kept, or never finished. */
  readonly encryption?: ManifestEncryption | null
}

/** Keeps a copy whatever retention says. An object `<key>.pin.json` beside the archive. */
export interface Pin {
  readonly target: TargetId
  readonly key: string
  readonly reason: string
  readonly at: Instant
}

export interface Restore {
  readonly id: RestoreId
  /** What was asked for. */
  readonly reference: string
  readonly job: JobId | null
  readonly source: string | null
  readonly group: GroupId | null
  readonly backup: BackupId | null
  readonly target: TargetId | null
  readonly key: string
  /** Of the archive as stored. */
  readonly sha256: string
  readonly to: string
  /** True when it replaced the source itself: a baseline backup is owed. */
  readonly inPlace: boolean
  readonly status: 'running' | 'success' | 'failed'
  readonly by: 'boot' | 'command'
  readonly instance: InstanceId
  /** Mark of the data_dir that it was begun from, where several share a state; null where nobody else does. */
  readonly home: string | null
  /** Where the data from before is kept, or null. */
  readonly previous: string | null
  readonly startedAt: Instant
  readonly finishedAt: Instant | null
  readonly error: string | null
  /** True once nothing of it is owed any more: its pins are gone, and the data from before it. */
  readonly released: boolean
}

/** What was last applied: the names, their hashes, and since when their schedule stands. */
export interface Applied {
  readonly targets: readonly {
    readonly id: TargetId
    readonly fingerprint: string
    readonly facts: Facts
  }[]
  readonly jobs: readonly AppliedJob[]
}

export interface AppliedJob {
  readonly id: JobId
  readonly fingerprint: string
  readonly facts: Facts
  /** Slots up to here are not owed: when the job appeared, or its schedule changed, or it was enabled. */
  readonly since: Instant
  /** The schedule that `since` is about: `cron timezone enabled`. */
  readonly scheduleMark: string
  /** Whether a first run was asked for at creation and not taken yet. */
  readonly firstRun: boolean
  /** When each source of it was first declared, by name; absent where a program before this one applied it. */
  readonly sources?: Readonly<Record<string, Instant>>
}
