/** How long we wait for a host, in milliseconds. */
export interface SshLimits {
  /** For a connection with all its handshakes. */
  readonly connect: number
  /** For any byte, while we wait for something. */
  readonly silence: number
  /** For the answer to a request, after the last answer to any. */
  readonly answer: number
  /** For a sync: a slow disk has much to write. */
  readonly sync: number
  /** How long an unused connection stays. */
  readonly idle: number
  /** For taking back what a failed or aborted put began. */
  readonly tidyUp: number
}

export const LIMITS: SshLimits = {
  connect: 30_000,
  silence: 20_000,
  answer: 60_000,
  sync: 10 * 60_000,
  idle: 10_000,
  tidyUp: 3_000,
}

/** As `20 s`. */
export function formatSeconds(millis: number): string {
  return `${millis / 1000} s`
}
