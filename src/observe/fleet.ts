import type { ClockSkew } from '../core/clock.ts'
import type { Instance, InstanceSeen } from '../core/fleet.ts'

/** The instances that share a state, for those who have to know of each other. */
export interface Fleet {
  /** This one. */
  self(): Instance
  /** Mark of its data_dir: the same after each start, under whatever name. */
  readonly home: string
  /** All that are known, dead ones too. */
  instances(): Promise<readonly InstanceSeen[]>
  /** Our clock against the database's, as last measured. */
  clock(): ClockSkew | null
}
