import type { Instant } from '../core/model.ts'
import { postureState } from '../core/posture.ts'
import type { TargetStatus } from '../core/status.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration } from '../lib/time.ts'
import { plain } from './paint.ts'
import { driftLines, unknownLines } from './posture.ts'
import { table } from './table.ts'

/** A target with the room that it has left, or null where it does not tell. */
export interface TargetRoom {
  readonly status: TargetStatus
  readonly freeBytes: number | null
}

/** Targets for `target list`: a row each, and under them why one is away or not as expected. */
export function renderTargets(targets: readonly TargetRoom[], now: Instant): string {
  if (targets.length === 0) return 'no targets are declared'
  const headings = [
    'TARGET',
    'TYPE',
    'COPIES',
    'SIZE',
    'LAST',
    'FOREIGN',
    'OPEN',
    'FREE',
    'POSTURE',
    'STATE',
  ]
  const rows = targets.map((one) => rowOf(one, now))
  const lines = targets.flatMap(({ status: { id, error, posture } }) => [
    ...(error === null ? [] : [plain(`${id}: ${error}`)]),
    ...driftLines(id, posture),
    ...unknownLines(id, posture),
  ])
  return [table(headings, rows), ...(lines.length === 0 ? [] : ['', ...lines])].join('\n')
}

function rowOf({ status, freeBytes }: TargetRoom, now: Instant): readonly string[] {
  const { lastSuccessAt, foreign, unfinished } = status
  return [
    status.id,
    status.kind,
    `${status.copies}`,
    formatBytes(status.bytes),
    lastSuccessAt === null ? '-' : `${formatDuration(Math.max(0, now - lastSuccessAt))} ago`,
    foreign === null ? '?' : `${foreign}`,
    unfinished === null ? '?' : `${unfinished}`,
    freeBytes === null ? '-' : formatBytes(freeBytes),
    postureState(status.posture) ?? '-',
    status.state === 'listed' ? 'ok' : status.state === 'unlisted' ? 'not looked at' : 'away',
  ]
}
