import type { ClockSkew } from '../core/clock.ts'
import type { Instance, InstanceSeen } from '../core/fleet.ts'

/** The instances that share a state, for those who have to know of each other. */
export interface Fleet {
  /** This one. */
  self(): Instance
  /**
   * Mark of its data_dir: the same after each start, under whatever name. Read, or made, when asked for:
   * only who deals with a restore needs it. Throws `StateRefused` when it cannot be read or made.
   */
  home(): Promise<string>
  /** All that are known, dead ones too. */
  instances(): Promise<readonly InstanceSeen[]>
  /** Our clock against the database's, as last measured. */
  clock(): ClockSkew | null
}
