import type { InstanceSeen, Pause } from '../core/fleet.ts'
import type { JobId, Millis } from '../core/model.ts'

/** What a running daemon can be told from outside, by its socket or over HTTP. */
export interface Control {
  /**
   * Takes no more slots and turns not ready; what runs may end by itself for `timeout`, then it is
   * aborted and handed over: tried again by whoever is there. Resolves once nothing runs; the
   * process stays. A second one while draining joins the first.
   */
  drain(timeout: Millis): Promise<'drained' | 'handed-over'>
  /** Takes slots again. */
  undrain(): Promise<void>
  /** Throws `Failure` with code `job_unknown` for a job that is not declared. */
  pause(subject: JobId | '*', reason: string, author: string): Promise<Pause>
  resume(subject: JobId | '*'): Promise<void>
  /** All that share the state. */
  instances(): Promise<readonly InstanceSeen[]>
}
