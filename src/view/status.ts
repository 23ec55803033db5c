import type { Instant } from '../core/model.ts'
import type { JobStatus, Status, TargetStatus } from '../core/status.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration, iso } from '../lib/time.ts'
import { renderWarnings } from './human.ts'
import type { Json } from './json.ts'
import { paint, plain, type Style } from './paint.ts'
import { driftLines, postureJson } from './posture.ts'
import { table } from './table.ts'
import { when } from './words.ts'

/** How things stand, for a person: jobs, targets, what runs, what is kept, what deserves a look. */
export function renderStatus(status: Status, style: Style): string {
  const { now } = status
  const blocks = [
    status.jobs.length === 0 ? 'no jobs are declared' : jobsTable(status, style),
    status.targets.length === 0 ? '' : targetsTable(status.targets),
    status.targets.flatMap(({ id, posture }) => driftLines(id, posture)).join('\n'),
    status.running
      .map(
        ({ job, source, startedAt, alive }) =>
          `running: ${job}/${source} since ${when(startedAt)} (${age(startedAt, now)})${alive ? '' : ', but whoever began it is gone'}`,
      )
      .join('\n'),
    status.restores.map((one) => restoreLine(one)).join('\n'),
    renderWarnings(status.warnings, style),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

function jobsTable({ jobs, now }: Status, style: Style): string {
  const headings = ['JOB', 'SCHEDULE', 'NEXT', 'LAST SUCCESS', 'LAST ATTEMPT']
  const rows = jobs.map((job) => [
    job.id,
    scheduleWords(job),
    job.nextSlot === null
      ? '-'
      : `${when(job.nextSlot)} (in ${formatDuration(job.nextSlot - now)})`,
    successWords(job, now),
    job.last === null
      ? '-'
      : `${job.last.status}${job.last.error === null ? '' : `: ${job.last.source}: ${job.last.error}`}`,
  ])
  const [heading = '', ...lines] = table(headings, rows).split('\n')
  const painted = lines.map((line, index) => {
    const job = jobs[index]
    const bad = job?.rpoMet === false || job?.last?.status === 'failed'
    return bad ? paint(line, 'red', style) : line
  })
  return [paint(heading, 'bold', style), ...painted].join('\n')
}

function scheduleWords({ enabled, cron, timezone }: JobStatus): string {
  if (!enabled) return 'disabled'
  if (cron === null) return 'on request'
  return timezone === null || timezone === 'UTC' ? cron : `${cron} ${timezone}`
}

function successWords({ lastSuccessAt, rpo, rpoMet }: JobStatus, now: Instant): string {
  const late = rpoMet === false && rpo !== null ? `, objective ${formatDuration(rpo)} missed` : ''
  return lastSuccessAt === null ? `never${late}` : `${age(lastSuccessAt, now)} ago${late}`
}

function targetsTable(targets: readonly TargetStatus[]): string {
  const rows = targets.map((target) => [
    target.id,
    target.kind,
    `${target.copies}`,
    formatBytes(target.bytes),
    stateWords(target),
  ])
  return table(['TARGET', 'TYPE', 'COPIES', 'SIZE', 'STATE'], rows)
}

function stateWords({ state, error }: TargetStatus): string {
  if (state === 'unreachable') return `unreachable: ${error ?? '?'}`
  return state === 'listed' ? 'ok' : 'not looked at'
}

function restoreLine({
  id,
  reference,
  status,
  to,
  startedAt,
  previous,
}: Status['restores'][number]): string {
  if (status === 'running')
    return plain(`restoring: ${reference} into ${to} since ${when(startedAt)}`)
  const kept = previous === null ? '' : `; the data from before is kept in ${previous}`
  return plain(`restored: ${reference} into ${to} (${id}), until its next backup succeeds${kept}`)
}

function age(then: Instant, now: Instant): string {
  return formatDuration(Math.max(0, now - then))
}

/** The document of `status --json`: camelCase, instants as ISO 8601, durations in seconds. */
export function statusJson(status: Status): { readonly [key: string]: Json } {
  return {
    now: iso(status.now),
    jobs: status.jobs.map((job) => ({
      id: job.id,
      name: job.title,
      enabled: job.enabled,
      schedule: job.cron,
      timezone: job.timezone,
      nextSlot: instant(job.nextSlot),
      lastSuccessAt: instant(job.lastSuccessAt),
      last: job.last && { ...job.last, at: iso(job.last.at) },
      rpoSeconds: job.rpo === null ? null : job.rpo / 1000,
      rpoMet: job.rpoMet,
    })),
    targets: status.targets.map(targetJson),
    running: status.running.map(({ startedAt, ...one }) => ({ ...one, startedAt: iso(startedAt) })),
    restores: status.restores.map(({ startedAt, ...one }) => ({
      ...one,
      startedAt: iso(startedAt),
    })),
    warnings: status.warnings.map(({ rule, subject, message, hint }) => ({
      rule,
      subject,
      message,
      hint,
    })),
  }
}

/** One target as JSON, in `status` as in `target list`. */
export function targetJson(target: TargetStatus): { readonly [key: string]: Json } {
  const { id, kind, state, error, copies, bytes, lastSuccessAt, foreign, unfinished } = target
  return {
    id,
    type: kind,
    state,
    error,
    copies,
    sizeBytes: bytes,
    lastSuccessAt: instant(lastSuccessAt),
    foreign,
    unfinished,
    posture: postureJson(target.posture),
  }
}

function instant(at: Instant | null): string | null {
  return at === null ? null : iso(at)
}
