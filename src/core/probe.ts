import { keyTimestamp, parseInstant } from '../lib/time.ts'
import { ASIDE } from './archive-key.ts'
import type { Instant } from './model.ts'

/** Where probes of `target test` stand, apart from every archive. */
export const PROBES = `${ASIDE}probe/`

/** The folder of one test's probes: it tells when the test began. */
export function probeFolder(begunAt: Instant, id: string): string {
  return `${PROBES}${keyTimestamp(begunAt)}-${id}/`
}

/** Whether a key is that of a probe, which is neither an archive nor foreign. */
export function isProbe(key: string): boolean {
  return probeBegunAt(key) !== null
}

/** When the test of a probe began; null for every other key. */
export function probeBegunAt(key: string): Instant | null {
  if (!key.startsWith(PROBES)) return null
  const [, timestamp = ''] = /^([\dTZ-]{24})-[a-z0-9]+\/[^/]+$/.exec(key.slice(PROBES.length)) ?? []
  return timestamp === '' ? null : parseInstant(timestamp)
}
