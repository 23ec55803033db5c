import type { EngineAddress } from '../../core/engine-address.ts'
import type { Millis } from '../../core/model.ts'
import type { Pattern } from '../tree/excludes.ts'

/** A volume source as configured. */
export interface VolumeSettings {
  readonly address: EngineAddress
  readonly subject: Subject
  readonly strategy: 'auto' | 'tar' | 'dump'
  /** How its bytes are reached; `auto` takes the fastest that is safe. */
  readonly via: 'auto' | 'path' | 'helper' | 'engine'
  /** Of helpers; null: one that is there and has what is needed. */
  readonly image: string | null
  readonly excludes: readonly Pattern[]
  readonly allowEmpty: boolean
  /** Share of the entries that may change or vanish while they are read. 0..1 */
  readonly changedLimit: number
  /** What is done with the containers that use it while it is read. */
  readonly quiet: 'stop' | 'pause' | null
  /** From a container's stop signal to SIGKILL. */
  readonly stopTimeout: Millis
  /** Start containers again after a restore, whether or not it stopped them. */
  readonly restart: boolean
  readonly hooks: Hooks
}

/** Whose volume. */
export interface Subject {
  /** Name of the engine's, or with an app the app's own name of it; null: all that the app keeps. */
  readonly volume: string | null
  readonly app: string | null
  /** Of Vardo. */
  readonly environment: string
}

/** What is run around a backup. Each argv is empty when there is none. */
export interface Hooks {
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly execBefore: readonly string[]
  readonly execAfter: readonly string[]
  /** Where `exec` hooks run; null: in the first container that runs and has the volume. */
  readonly container: string | null
  readonly user: string | null
  readonly timeout: Millis
}
