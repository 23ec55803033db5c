import type { Pattern } from './excludes.ts'

/** A folder as a source configures it. */
export interface DirectorySettings {
  /** Absolute. */
  readonly path: string
  readonly excludes: readonly Pattern[]
  readonly oneFileSystem: boolean
  readonly requireMount: boolean
  readonly allowEmpty: boolean
  /** Share of the entries that may change or vanish while they are read. 0..1 */
  readonly changedLimit: number
  /** Others hold the folder itself: a restore swaps what is in it, and works in there. */
  readonly isHeld: boolean
}
