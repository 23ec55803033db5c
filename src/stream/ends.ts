import type { Program } from '../platform/program.ts'

/** Where content comes from; what a source's `Content` is. */
export type Origin =
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'file'; readonly path: string }

/** Where content goes; what a staging's `Sink` is. */
export type Outlet =
  | { readonly kind: 'program'; readonly program: Program }
  /** A new file: never one that exists. It is on the disk at the end, unless it is only scratch. */
  | { readonly kind: 'file'; readonly path: string; readonly isScratch?: true }
