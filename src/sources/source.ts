import type { SourceFacts } from '../core/manifest.ts'
import type { Member } from '../core/members.ts'
import type { Bytes } from '../core/model.ts'
import type { Section } from '../core/section.ts'
import type { Exit, Program } from '../platform/program.ts'
import type { FarProgram } from '../stream/ends.ts'

/**
 * Something whose contents can be copied out, and put back.
 *
 * A source describes the work as data (a program to run, a file to read); `stream/` joins it to the
 * compressor by a kernel pipe, so that no content passes through JavaScript.
 */
export interface Source {
  /** Innermost layer: `tar`, `sqlite`, `pgdump`, `sql`, or `raw`. */
  readonly layer: string
  /** Extension of the content, with its dot, before compression: `.tar`, `.sqlite`, or ``. */
  readonly extension: string
  /** The absolute path on one host where it lies; null for what any host reaches alike. */
  readonly path: string | null

  /**
   * Makes one consistent copy ready to be read, as of some moment after the call. Throws
   * `SourceFailed` for a source that is missing or, unless allowed, empty.
   */
  dump(context: SourceContext, signal: AbortSignal): Promise<Dump>

  /** What a restore would replace, in words, for the question that comes before it. Changes nothing. */
  describe(task: RestoreTask, signal: AbortSignal): Promise<Replacement>

  /**
   * Opens a place beside the live data for an archive's content. Throws `RestoreFailed` when the
   * restore must be refused: the database is in use, something is mounted inside.
   */
  stage(task: RestoreTask, context: SourceContext, signal: AbortSignal): Promise<Staging>

  /**
   * Where the moves of a restore to there are made. Absent or null: in the file system of this host.
   * Does no I/O until it is asked something.
   */
  realm?(to: string | null): Realm | null

  /** What makes it plain today that a backup will fail or lack something. Absent: nothing can. */
  inspect?(signal: AbortSignal): Promise<readonly Finding[]>

  /**
   * Removes what a restore whose process died had staged and never swapped in. The live data, and
   * what a swap replaced, stay; where nothing was left nothing happens.
   */
  sweep(restore: Pick<RestoreTask, 'to'> & Pick<SourceContext, 'token'>): Promise<void>

  /**
   * Whether `sweep` touches nothing but what goes by that token and ends by itself: then it may be done
   * later, beside whoever is at work there.
   */
  readonly sweepsBeside?: boolean
}

export interface SourceContext {
  /** 0700, ours alone, removed by whoever gave it. */
  readonly scratch: string
  /** Absolute paths that must not be archived when they lie inside the source: data_dir, targets. */
  readonly leaveOut: readonly string[]
  /** Names this attempt or restore; unique. */
  readonly token: string
  /**
   * Keeps words for whoever has to put in order what we leave when we die, who hands them to
   * `SourceKind.mend`; null once nothing is owed. Durable when it resolves.
   */
  readonly keep?: (note: string | null) => Promise<void>
  /**
   * Waits until nobody else is at `name`, whatever its job and instance, and keeps others away until it
   * is disposed of, or the backup or restore is over. Throws `LeaseBusy` after an hour.
   */
  readonly alone?: (name: string, signal: AbortSignal) => Promise<Hold>
  /** Tells the log of what is done beside reading and writing; at level `info` unless told. */
  readonly tell?: (
    event: 'source.halted' | 'source.resumed',
    message: string,
    detail: Readonly<Record<string, unknown>>,
    level?: 'info' | 'error',
  ) => void
}

/** Keeps others away. */
export interface Hold extends AsyncDisposable {
  /** Throws `LeaseLost` unless it kept them away until now. */
  confirm(): Promise<void>
}

/** One copy, ready to be read once. */
export interface Dump {
  readonly content: Content
  /** Called after the bytes were read. Throws `SourceFailed` unless the copy is complete and sound. */
  finish(exit: Exit | null): Promise<SourceReport>
  /** Lets go of what `dump` took. Always called, also after a failure. */
  [Symbol.asyncDispose](): Promise<void>
}

export type Content =
  /** The program's standard output. Its exit goes to `finish`, which judges it. */
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'file'; readonly path: string }
  /** A program elsewhere, as in a container. Opened once; its exit goes to `finish`, which judges it. */
  | { readonly kind: 'stream'; open(signal: AbortSignal): Promise<FarProgram> }

export interface SourceReport {
  readonly facts: SourceFacts
  /** What the run's reader should know: `3 files changed while being read: …`. */
  readonly warnings: readonly string[]
  readonly contentBytes: Bytes | null
}

export interface RestoreTask {
  /**
   * Null: into the source itself. Otherwise an absolute path that does not exist or is an empty
   * directory, or `volume:NAME` or `database:NAME`, which a source that has none such refuses.
   */
  readonly to: string | null
  /** Only this member of the archive (a file or a directory), or null for all. */
  readonly only: string | null
  /** From the manifest, or `{}` when the archive has none. */
  readonly facts: SourceFacts
  /** Go on although the data is in use. */
  readonly force: boolean
  /** Straight into the live data, with nothing staged beside it and nothing kept. */
  readonly direct: boolean
}

/** Something that deserves a look before the next backup. */
export interface Finding {
  readonly rule: string
  readonly message: string
  readonly hint: string | null
}

export interface Replacement {
  /** Absolute path, or the command. */
  readonly to: string
  /** What is there now: `directory with 12 entries`, `nothing`. */
  readonly now: string
  /** What must be known before saying yes: what could not be checked, what is carried over. */
  readonly remarks: readonly string[]
}

/** A place that takes an archive's content once. Nothing live is touched before `Staged`'s moves are made. */
export interface Staging {
  readonly sink: Sink
  /** True when taking the content cannot be undone: the archive is then read through and proven first. */
  readonly immediate: boolean
  /** Checks and scans what arrived. Throws `RestoreFailed` or `ArchiveDamaged` and leaves the live data alone. */
  finish(exit: Exit | null, signal: AbortSignal): Promise<Staged>
  /** Called once the moves are made, before `discard`. What is to be known beside `Staged`, in words. */
  swapped?(): Promise<readonly string[]>
  /** Removes what was staged. Doing so twice, or after the swap, succeeds and harms nothing. */
  discard(): Promise<void>
}

export type Sink =
  /** The content goes to the program's standard input; its exit goes to `finish`. */
  | { readonly kind: 'program'; readonly program: Program }
  /** The content is written to this new file; one in scratch need not outlive a power cut. */
  | { readonly kind: 'file'; readonly path: string; readonly isScratch?: true }
  /** The content goes to the input of a program elsewhere; its exit goes to `finish`. */
  | { readonly kind: 'stream'; open(signal: AbortSignal): Promise<FarProgram> }

/** What is left to do: renames in this order, each within one file system. Data, so that it can be journaled. */
export interface Staged {
  readonly moves: readonly Move[]
  /** Where the replaced data lies afterwards, to be kept until the next success; null when there was none. */
  readonly previous: string | null
  /** Staging folders that are empty or useless after the moves. */
  readonly leftovers: readonly string[]
  /** What was restored, in words. */
  readonly summary: string
  readonly warnings: readonly string[]
  /** Where the program that owns the data has to finish the restore: what HQL_BACKUP_RESTORE has to tell it. */
  readonly handOver?: string
}

export interface Move {
  readonly from: string
  readonly to: string
}

/**
 * What the names in moves mean, and how one is made: paths of a file system, databases of a server.
 * A rename is atomic and never overwrites; every call succeeds when what it asks for is so already.
 */
export interface Realm {
  exists(name: string): Promise<boolean>
  /** Throws `PathTaken` when something is at `to`. */
  rename(move: Move): Promise<void>
  /** All of the moves or none of them, where that can be had. Absent: one is made after the other. */
  renameAll?(moves: readonly Move[]): Promise<void>
  /** Makes sure that what is at `to`, and no more at `from`, is so after a power cut. */
  settle(move: Move): Promise<void>
  /** Makes the place that something is moved back into, where it went away meanwhile. */
  makeRoom(name: string): Promise<void>
  /** Removes what is there, whole. */
  remove(name: string): Promise<void>
  /** Whether a restore of ours gave that name to what it replaced: nothing else is removed. */
  isPrevious(name: string): boolean
}

export interface SourceKind {
  readonly kind: string
  /** Throws `ConfigError` naming the key at fault. Does no I/O: `plan --offline` calls it too. */
  configure(section: Section): Source
  /**
   * What one declaration stands for at this moment, each backed up by itself and with a result of its
   * own; null when that is the declaration itself. Throws when nobody can tell: then what it was
   * found to be last time holds on.
   */
  members?(section: Section, signal: AbortSignal): Promise<readonly Member[] | null>
  /**
   * Lets go on what a note of `SourceContext.keep`, whose keeper is dead, says stands still. Takes
   * moments: all else waits for it. As `mend` otherwise.
   */
  wake?(note: string, context: MendContext, signal: AbortSignal): Promise<string | null>
  /**
   * Does the rest that such a note tells is owed, however long it takes; what stands still yet comes
   * first. Keeps what is left of the note as soon as less is owed. Resolves to what was done, in words, or
   * null. Throws when it cannot be done yet, `LeaseBusy` where others are at work there: it is tried
   * again, as after an abort.
   */
  mend?(note: string, context: MendContext, signal: AbortSignal): Promise<string | null>
}

/** For whoever pays what a dead one owed. */
export type MendContext = Pick<SourceContext, 'alone'> & Required<Pick<SourceContext, 'keep'>>
