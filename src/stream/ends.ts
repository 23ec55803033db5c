import type { Readable, Writable } from 'node:stream'
import type { Exit, Program } from '../platform/program.ts'

/** A program that runs where no kernel joins it to ours, so that its bytes pass through this process. */
export interface FarProgram {
  /** Ours to write and to end; null when it reads nothing. What is not ended never looks whole to it. */
  readonly stdin: Writable | null
  /** Ends only once the program's end is proven; fails when that cannot be told. */
  readonly stdout: Readable
  /** How it ended, whatever its exit code; null where there is none to judge. Nobody has to listen. */
  readonly exit: Promise<Exit | null>
  /** Kills it; resolves once it has ended, or cannot be reached. Harmless when it has ended. */
  stop(): Promise<void>
}

/** Where content comes from; what a source's `Content` is. */
export type Origin =
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stream'; open(signal: AbortSignal): Promise<FarProgram> }

/** Where content goes; what a staging's `Sink` is. */
export type Outlet =
  | { readonly kind: 'program'; readonly program: Program }
  /** A new file: never one that exists. It is on the disk at the end, unless it is only scratch. */
  | { readonly kind: 'file'; readonly path: string; readonly isScratch?: true }
  | { readonly kind: 'stream'; open(signal: AbortSignal): Promise<FarProgram> }
