import type { InstanceHolding } from '../core/fleet.ts'
import type { Instant, Millis } from '../core/model.ts'
import type { JobStatus, Status, TargetStatus } from '../core/status.ts'
import type { InstancesStatus } from '../core/status-instances.ts'
import { count } from '../lib/count.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration, iso } from '../lib/time.ts'
import { coverageJson, coverageWords, subjectWords } from './coverage.ts'
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
    status.instances === null ? '' : instancesTable(status.instances),
    status.targets.flatMap(({ id, posture }) => driftLines(id, posture)).join('\n'),
    status.running
      .map(
        ({ job, source, startedAt, alive }) =>
          `running: ${job}/${source} since ${when(startedAt)} (${age(startedAt, now)})${alive ? '' : ', but whoever began it is gone'}`,
      )
      .join('\n'),
    status.restores.map((one) => restoreLine(one)).join('\n'),
    coverageLines(status.coverage, style),
    renderWarnings(status.warnings, style),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

/** What lies open is named; the lines that close it are those of `plan`. */
function coverageLines(coverage: Status['coverage'], style: Style): string {
  if (coverage === null) return ''
  const { unprotected } = coverage
  const next = unprotected.length === 0 ? '' : '; what to write: holdfast plan'
  return [
    `coverage: ${coverageWords(coverage)}${next}`,
    ...unprotected.map(
      (one) => `  ${paint('unprotected', 'red', style)} ${plain(subjectWords(one))}`,
    ),
  ].join('\n')
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

function scheduleWords({ enabled, isPaused, cron, timezone }: JobStatus): string {
  if (!enabled) return 'disabled'
  const words = cron === null ? 'on request' : cron
  const zone = cron === null || timezone === null || timezone === 'UTC' ? '' : ` ${timezone}`
  return `${words}${zone}${isPaused ? ', paused' : ''}`
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

function instancesTable({ expected, seen }: InstancesStatus): string {
  const living = seen.filter(({ kind, isAlive }) => kind === 'daemon' && isAlive).length
  const words = `${living} of ${count(expected, 'instance', 'instances')} ${living === 1 ? 'lives' : 'live'}`
  if (seen.length === 0) return words
  const rows = seen.map((one) => [
    one.kind === 'daemon' ? one.name : `${one.name} (a command)`,
    lifeWords(one),
    one.version,
    skewWords(one.skew),
    one.holds.map((name) => name.replace(/^job:/, '')).join(', ') || '-',
  ])
  return `${table(['INSTANCE', 'STATE', 'VERSION', 'CLOCK', 'HOLDS'], rows)}\n${words}`
}

function lifeWords({ isAlive, isDraining, until }: InstanceHolding): string {
  if (!isAlive) return `gone since ${when(until)}`
  return isDraining ? 'draining' : 'alive'
}

/** Its clock against the database's. */
function skewWords(skew: Millis): string {
  if (Math.abs(skew) < 1000) return 'ok'
  return `${formatDuration(Math.abs(skew))} ${skew > 0 ? 'ahead' : 'behind'}`
}

function restoreLine({
  id,
  reference,
  status,
  alive,
  to,
  startedAt,
  previous,
}: Status['restores'][number]): string {
  if (status === 'running') {
    const gone = alive ? '' : ', but whoever began it is gone: its host has to put it in order'
    return plain(`restoring: ${reference} into ${to} (${id}) since ${when(startedAt)}${gone}`)
  }
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
      paused: job.isPaused,
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
    instancesExpected: status.instances?.expected ?? null,
    instances: status.instances?.seen.map(instanceJson) ?? null,
    pauses: status.pauses.map((pause) => ({ ...pause, at: iso(pause.at) })),
    coverage: status.coverage && coverageJson(status.coverage),
    warnings: status.warnings.map(({ rule, subject, message, hint }) => ({
      rule,
      subject,
      message,
      hint,
    })),
  }
}

function instanceJson(one: InstanceHolding): { readonly [key: string]: Json } {
  const { id, name, kind, host, pid, version, labels, startedAt, until, holds } = one
  return {
    id,
    name,
    kind,
    host,
    pid,
    version,
    labels,
    startedAt: iso(startedAt),
    until: iso(until),
    alive: one.isAlive,
    draining: one.isDraining,
    skewSeconds: one.skew / 1000,
    holds,
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
