import type { DesiredCheck, DesiredJob, Facts, JobTarget, Subscription } from '../core/model.ts'
import { USUAL_CHECK_TIMEOUT } from './resolve-checks.ts'
import { retentionWords } from './retention.ts'
import { argvWords, encryptionWords, exactDuration, factsOf, markOf, optionWords } from './words.ts'

type Declared = Omit<DesiredJob, 'fingerprint' | 'facts'>
type Fact = readonly [string, string | null]

/**
 * What a job declares, in words, what is at its default left out. Two jobs with the same facts do
 * the same, so the diff of an update always has a line to show.
 */
export function jobFacts(job: Declared): Facts {
  return factsOf([
    ['name', job.title === job.name ? null : job.title],
    ['enabled', job.enabled ? null : 'no'],
    ['schedule', scheduleWords(job)],
    ['app', job.app],
    ...job.sources.map(sourceFact),
    ...job.targets.map((target) => targetFact(target, job)),
    ['targets', job.noTarget === null ? null : 'none'],
    ['require', job.require === job.targets.length ? null : String(job.require)],
    ['retry', retryWords(job)],
    ...objectiveFacts(job),
    ['notify', job.notify.map(notifyWords).join('; ') || null],
    ['format', job.format ?? null],
    ...(job.checks ?? []).map(checkFact),
    ['compression', compressionWords(job)],
    ['encryption', job.encryption === null ? null : encryptionWords(job.encryption)],
    ['first run', job.firstRun === 'now' ? 'now' : null],
    ['renamed from', job.renamedFrom],
    ['path', job.path],
    ['shrink guard', shareWords(job.shrinkGuard)],
    ['max delete', shareWords(job.maxDelete)],
    ['on', job.on.join(', ') || null],
    ['vardo job id', job.vardoJobId],
    ['max duration', job.maxDuration === null ? null : exactDuration(job.maxDuration)],
  ])
}

function scheduleWords({ schedule }: Declared): string {
  if (schedule === null) return 'on request'
  return schedule.timezone === 'UTC' ? schedule.cron : `${schedule.cron} (${schedule.timezone})`
}

/** Where each instance finds its own engine: no change of the job. */
const OF_MACHINE = ['docker']

function sourceFact({ name, kind, options }: Declared['sources'][number]): Fact {
  const words = Object.entries(options)
    .filter(([key]) => kind !== 'volume' || !OF_MACHINE.includes(key))
    .filter(([, value]) => value !== false && value !== '' && !isEmptyList(value))
    .map(([key, value]) => `${key}=${isArgv(kind, key) ? argvWords(value) : optionWords(value)}`)
  return [`source ${name}`, [kind, ...words].join(' ')]
}

/** What the words of a program hold came through `${}` as often as not: a password, then. */
function isArgv(kind: string, key: string): boolean {
  return kind === 'command' && (key === 'backup' || key === 'restore')
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function targetFact(
  { target, retention, encryption, prunedAfter }: JobTarget,
  job: Declared,
): Fact {
  const own = encryption === job.encryption ? '' : `, encryption ${encryptionWords(encryption)}`
  const after = prunedAfter === undefined ? '' : `, pruned after ${prunedAfter}`
  return [`target ${target}`, `keeps ${retentionWords(retention)}${after}${own}`]
}

/** Its question is told by a mark alone: as much of it may have come through `${}` as of a program. */
function checkFact({ name, source, sql, expect, timeout }: DesiredCheck): Fact {
  const words = [
    `sql ${markOf(sql)}`,
    ...(source === null ? [] : [`source=${source}`]),
    ...(expect === null ? [] : [`expect=${expect}`]),
    ...(timeout === USUAL_CHECK_TIMEOUT ? [] : [`timeout=${exactDuration(timeout)}`]),
  ]
  return [`check ${name}`, words.join(' ')]
}

function retryWords({ retry }: Declared): string | null {
  const words = `${retry.attempts} attempts within ${exactDuration(retry.within)}`
  return words === '3 attempts within 2h' ? null : words
}

function objectiveFacts({ objectives }: Declared): readonly Fact[] {
  const { rpo, rto, verifiedWithin, drilledWithin } = objectives
  const verified = verifiedWithin === null ? 'never' : exactDuration(verifiedWithin)
  return [
    ['rpo', rpo === null ? null : exactDuration(rpo)],
    ['rto', rto === null ? null : exactDuration(rto)],
    ['verified within', verified === '7d' ? null : verified],
    ['drilled within', drilledWithin === null ? null : exactDuration(drilledWithin)],
  ]
}

function notifyWords({ channel, on }: Subscription): string {
  return `${channel} (${on.join(', ')})`
}

function compressionWords({ compression }: Declared): string | null {
  if (compression.kind === 'none') return 'none'
  const words = `${compression.kind} ${compression.level}`
  return words === 'zstd 3' ? null : words
}

function shareWords(share: number): string | null {
  return share === 0.5 ? null : String(share)
}
