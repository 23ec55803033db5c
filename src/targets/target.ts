import type { Readable } from 'node:stream'
import type { Bytes } from '../core/model.ts'
import type { StoredObject, UnfinishedObject } from '../core/observed.ts'
import type { Section } from '../core/section.ts'

/**
 * A place that keeps objects. Keys are relative, `/` between parts, as `acme/shop/db/2026….tar.zst`.
 *
 * Whoever calls it retries, locks, encrypts and logs; nothing of that happens in here. Every method
 * throws `TargetUnreachable` when the place cannot be reached or read, and `Refused` for a key that
 * would leave it.
 */
export interface Target {
  /**
   * Resolves once `body` is durable under `key`. Never overwrites: throws `ObjectExists` and keeps
   * what is there. If it throws or is aborted, no object of that key is there because of it; at most
   * an unfinished one that carries `token`.
   */
  put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    token: string,
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

  /** Resolves once the object is gone for good. Removing what is already gone succeeds. */
  remove(key: string, signal: AbortSignal): Promise<void>

  /** Takes an unfinished object back. Doing so twice succeeds. */
  abort(unfinished: UnfinishedObject, signal: AbortSignal): Promise<void>

  /** Bytes that are still free for us, or null when the place does not tell. */
  free(signal: AbortSignal): Promise<Bytes | null>
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
}
