import type { Faults } from './faults.ts'
import type { Environment } from './interpolate.ts'
import type { Place } from './tree.ts'

/** What Hiqlite's table is read with. */
export interface HiqliteContext {
  readonly env: Environment
  readonly hostname: string
  /** Absolute path of the config. */
  readonly path: string
  /** Where relative paths start. */
  readonly folder: string
  /** Whether a `.env` beside the config counts. */
  readonly hasFolder: boolean
  readonly unset: 'fault' | 'leave'
  readonly faults: Faults
  notice(text: string): void
  /** Hears of each file that is named, absolute. */
  read(path: string): void
}

/** A fault; a notice where what is not here is allowed to be elsewhere. */
export function complain(
  { unset, notice, faults }: HiqliteContext,
  place: Place,
  path: string,
  message: string,
): void {
  if (unset === 'leave') notice(`${path}: ${message}; taken as unknown`)
  else faults.add(place, path, message)
}
