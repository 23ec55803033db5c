import type { Instant } from './brand.ts'
import { iso } from './time.ts'

/**
 * The ways Holdfast fails on purpose. One class for each decision that a caller makes; everything
 * that reaches a person carries a stable `code` and, where they can act, a `hint` to paste.
 */
export interface FailureOptions {
  readonly cause?: unknown
  /** What to do next: a sentence or a command to paste. */
  readonly hint?: string
  /** Where: `file:line:col`, a path, or an object key. */
  readonly at?: string
}

/** Base of every expected failure. `code` is stable and documented; it decides the exit code. */
export class Failure extends Error {
  readonly code: string
  readonly hint: string | null
  readonly at: string | null

  constructor(code: string, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.hint = options.hint ?? null
    this.at = options.at ?? null
  }
}

/** One fault of a config file. */
export interface Fault {
  /** `file:line:col`, or the file alone when no place can be told. */
  readonly at: string
  /** Path of the key at fault, as `jobs.shop-db.schedule`. */
  readonly path: string
  readonly message: string
  readonly hint: string | null
}

/** The file cannot be used. Carries every fault at once, in order of place. */
export class ConfigError extends Failure {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[], options: FailureOptions = {}) {
    const [first] = faults
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
    super(
      'config_invalid',
      first
        ? `${first.at}: ${first.path ? `${first.path}: ` : ''}${first.message}${more}`
        : 'config is invalid',
      {
        ...(first ? { at: first.at } : {}),
        ...(first?.hint ? { hint: first.hint } : {}),
        ...options,
      },
    )
    this.faults = faults
  }
}

/** What the file asks for is designed but not built in this version. */
export class NotAvailable extends Failure {
  constructor(what: string, options: FailureOptions = {}) {
    super('not_available', `${what}: not available in this version`, options)
  }
}

/** No object of that key is on the target. */
export class ObjectMissing extends Failure {
  constructor(key: string, options: FailureOptions = {}) {
    super('object_missing', `no object ${key} on the target`, { at: key, ...options })
  }
}

/** An object of that key is on the target already; it is never overwritten. */
export class ObjectExists extends Failure {
  constructor(key: string, options: FailureOptions = {}) {
    super('object_exists', `object ${key} exists already and is not overwritten`, {
      at: key,
      ...options,
    })
  }
}

/** The place will not let an object go: it is locked until a time, or our key may not delete there. */
export class ObjectRetained extends Failure {
  /** Null: the key may not delete, as far as can be told. */
  readonly until: Instant | null

  constructor(key: string, until: Instant | null, options: FailureOptions = {}) {
    const why = until === null ? 'the key may not delete it' : `retained until ${iso(until)}`
    super('object_retained', `object ${key} stays: ${why}`, { at: key, ...options })
    this.until = until
  }
}

/** The target could not be looked at or written to. */
export class TargetUnreachable extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('target_unreachable', message, options)
  }
}

/** The source cannot be read, or does not pass its own check. */
export class SourceFailed extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('source_failed', message, options)
  }
}

/** The Docker engine does not answer, or was gone in the middle of its answer: asked again later. */
export class EngineUnreachable extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('engine_unreachable', message, options)
  }
}

/** The Docker engine answers that it will not: nothing of that name, a conflict, an error of its own. */
export class EngineRefused extends Failure {
  /** Of HTTP: 404 nothing of that name, 409 a conflict with what it is doing. */
  readonly status: number

  constructor(status: number, message: string, options: FailureOptions = {}) {
    super('engine_refused', message, options)
    this.status = status
  }
}

/** How a program ended, in words and as told. */
export interface BadEnd {
  /** `ended with code 2`, `printed more than 1 MiB`. */
  readonly how: string
  readonly exitCode?: number | null
  /** The end of its stderr, secrets never among it. */
  readonly tail?: string
}

/** A program that we ran ended badly. */
export class ProgramFailed extends Failure {
  readonly program: string
  readonly exitCode: number | null
  readonly tail: string

  constructor(program: string, { how, exitCode, tail }: BadEnd, options: FailureOptions = {}) {
    super('program_failed', `${program} ${how}${tail ? `: ${tail}` : ''}`, options)
    this.program = program
    this.exitCode = exitCode ?? null
    this.tail = tail ?? ''
  }
}

/** The archive is not what its manifest says, or cannot be read to its end. */
export class ArchiveDamaged extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('verify_failed', message, options)
  }
}

/** `error` with the archive that it is about, where it does not tell: readers of bytes know no names. */
export function naming(error: unknown, archive: string): unknown {
  if (!(error instanceof Failure) || error.at !== null) return error
  const message = `${archive}: ${error.message}`
  const { hint } = error
  if (error instanceof CannotDecrypt) {
    return new CannotDecrypt(message, { cause: error, at: archive, ...(hint ? { hint } : {}) })
  }
  if (!(error instanceof ArchiveDamaged)) return error
  return new ArchiveDamaged(message, { cause: error, at: archive, hint: hint ?? ELSEWHERE })
}

const ELSEWHERE =
  'find what is sound with: holdfast backup verify --all; a restore then takes another copy'

/** No configured identity, passphrase or key opens the archive. */
export class CannotDecrypt extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('cannot_decrypt', message, options)
  }
}

/** A manifest that cannot be trusted or understood: broken, newer, forged, unsigned. */
export class ManifestRefused extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('manifest_refused', message, options)
  }
}

/** A manifest that is broken, or tells of another archive than it lies beside: a verdict on the copy. */
export class ManifestDamaged extends ManifestRefused {}

/** Someone else holds the lease. */
export class LeaseBusy extends Failure {
  constructor(lease: string, holder: string, options: FailureOptions = {}) {
    super('lease_busy', `${lease} is held by ${holder}`, {
      hint: 'wait until it is done, or look at it with: holdfast status',
      ...options,
    })
  }
}

/** Our lease can no longer be proven ours: the work under it must stop. */
export class LeaseLost extends Failure {
  constructor(lease: string, { why, ...options }: FailureOptions & { why?: string } = {}) {
    super('lease_lost', `the lease on ${lease} was lost${why ? `: ${why}` : ''}`, options)
  }
}

/** A restore was refused or could not be completed; the old data is in place. */
export class RestoreFailed extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('restore_failed', message, options)
  }
}

/** A reference that names nothing, or more than one thing. */
export class ReferenceUnknown extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('reference_unknown', message, options)
  }
}

/** The work went on for longer than its declared limit. */
export class TimeLimit extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('time_limit', message, options)
  }
}

/** The work was told to stop: shutdown, a second signal, or something more urgent. */
export class Interrupted extends Failure {
  readonly signal: 'SIGINT' | 'SIGTERM'

  constructor(message: string, options: FailureOptions & { signal?: 'SIGINT' | 'SIGTERM' } = {}) {
    super('interrupted', message, options)
    this.signal = options.signal ?? 'SIGINT'
  }
}

/** A person asked for something that cannot be done as asked: bad arguments, missing `--yes`. */
export class Refused extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('refused', message, options)
  }
}

/** The state cannot be used: another daemon, a schema too far apart, a broken file. */
export class StateRefused extends Failure {
  constructor(message: string, options: FailureOptions = {}) {
    super('state_refused', message, options)
  }
}

/** The restore that the environment asks for was not done, for whatever cause: `code` is that cause's. */
export class BootRestoreFailed extends Failure {
  constructor(cause: unknown) {
    const { code, message, hint, at } = reportOf(cause)
    super(code, message, {
      cause,
      ...(hint === null ? {} : { hint }),
      ...(at === null ? {} : { at }),
    })
  }
}

/** Exit codes of DESIGN §7, by failure code. Whatever is not named here is 1. */
const EXIT_CODES: Readonly<Record<string, number>> = {
  config_invalid: 10,
  lease_busy: 11,
  cannot_decrypt: 12,
  target_unreachable: 13,
  verify_failed: 14,
  interrupted: 130,
}

/** The exit code that tells `error` to a script. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted && error.signal === 'SIGTERM') return 143
  // A start that was refused must look the same to whoever starts it, whatever the cause.
  if (error instanceof BootRestoreFailed) return 1
  return error instanceof Failure ? (EXIT_CODES[error.code] ?? 1) : 1
}

/** An error as DESIGN §7 prints it in JSON. */
export interface ErrorReport {
  readonly code: string
  readonly message: string
  readonly hint: string | null
  readonly at: string | null
}

/** Any thrown thing as a report; never throws, never a stack. */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof Failure) {
    return { code: error.code, message: error.message, hint: error.hint, at: error.at }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'unexpected', message, hint: null, at: null }
}

/** The message of any thrown thing. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
