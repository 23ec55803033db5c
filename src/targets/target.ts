import type { Readable } from 'node:stream'
import type { Event } from '../core/event.ts'
import type { Bytes } from '../core/model.ts'
import type { StoredObject, UnfinishedObject } from '../core/observed.ts'
import type { Finding, Setting } from '../core/posture.ts'
import type { Section } from '../core/section.ts'
import type { ObjectRetained } from '../lib/errors.ts'

/**
 * A place that keeps objects. Keys are relative, `/` between parts, as `acme/shop/db/2026….tar.zst`.
 *
 * Whoever calls it locks, encrypts and logs; nothing of that happens in here. Every method throws
 * `TargetUnreachable` when the place cannot be reached or read, and `Refused` for a key that would
 * leave it.
 */
export interface Target {
  /**
   * Resolves once `body` is durable under `key`. Never overwrites: throws `ObjectExists` and keeps
   * what is there. If it throws or is aborted, no object of that key is there because of it; at most
   * an unfinished one that carries the token.
   */
  put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    putting: Putting,
    signal: AbortSignal,
  ): Promise<Stored>

  /** The object's bytes from `start` on. Throws `ObjectMissing` at once when there is none, never midway. */
  get(key: string, start: number, signal: AbortSignal): Promise<Readable>

  /** The object, or null when there is none. */
  stat(key: string, signal: AbortSignal): Promise<StoredObject | null>

  /**
   * Everything under `prefix`, page by page, in no promised order: what is finished, and what `put`
   * began and neither finished nor took back. An unknown prefix is an empty answer.
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<Page>

  /**
   * Resolves once the objects are gone for good, but for those that it gives: the place does not let
   * them go now. Removing what is already gone succeeds.
   */
  remove(keys: readonly string[], signal: AbortSignal): Promise<Retentions>

  /** Which of these objects the place would not let go of now, as far as it tells before it is asked to. */
  retained(keys: readonly string[], signal: AbortSignal): Promise<Retentions>

  /** Takes an unfinished object back. Doing so twice succeeds. */
  abort(unfinished: UnfinishedObject, signal: AbortSignal): Promise<void>

  /** Bytes that are still free for us, or null when the place does not tell. */
  free(signal: AbortSignal): Promise<Bytes | null>

  /** An address under which whoever has it can read the object for an hour; null where the place makes none. */
  link(key: string, signal: AbortSignal): Promise<string | null>

  /** How the place is set up; null where it has nothing to set. */
  readonly posture: Posture | null
}

/** What a put is told beside its bytes. */
export interface Putting {
  /** The attempt that it is part of; an unfinished object carries it. */
  readonly token: string
  /** How many bytes are likely to come, where somebody can guess. */
  readonly expected?: number | null
}

/** As much of a listing as comes at once. */
export interface Page {
  readonly objects: readonly StoredObject[]
  readonly unfinished: readonly UnfinishedObject[]
}

export interface Stored {
  readonly bytes: Bytes
  /** The strongest check that the place gave after the write. */
  readonly readback: 'size' | 'etag' | 'checksum'
}

/** Objects that stay, by key, and why. */
export type Retentions = ReadonlyMap<string, ObjectRetained>

export const NOTHING_RETAINED: Retentions = new Map()

/** How a place is set up, as far as its block of the config expects something of it. */
export interface Posture {
  /** One finding for each setting that is expected, met or not. What could not be asked is told as such. */
  observe(signal: AbortSignal): Promise<readonly Finding[]>
  /** Sets what `manage` allows to be set. */
  set(setting: Setting, signal: AbortSignal): Promise<void>
}

/** What a plug-in file exports: the word used in the config file, and how to read its block. */
export interface TargetKind {
  readonly kind: string
  /** Whether its archives leave this machine: what plan's warnings are about. */
  readonly offHost: boolean
  /** Throws `ConfigError` naming the key at fault. Does no I/O: `plan --offline` calls it too. */
  configure(section: Section, surroundings: TargetSurroundings): Target
}

export interface TargetSurroundings {
  /** False: ALLOW_LOCAL_BACKUPS forbids targets of this machine. */
  readonly allowLocal: boolean
  /** Absolute. What a kind must remember of its place, as host keys, stands in there. */
  readonly dataDir: string
  readonly uploads: UploadLog
  readonly report: (event: Event) => void
}

/** Uploads of one target that were begun and are not over, as the state remembers them. */
export interface UploadLog {
  /** Durable before it resolves: what a kill leaves behind is then proven ours. */
  began(upload: BegunUpload): Promise<void>
  over(id: string): Promise<void>
  open(): Promise<readonly BegunUpload[]>
}

export interface BegunUpload {
  /** As the place calls it. */
  readonly id: string
  readonly key: string
  readonly token: string
}
