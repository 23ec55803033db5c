import type {
  Channel,
  DesiredJob,
  DesiredTarget,
  Encryption,
  Instant,
  JobId,
  Millis,
  Objectives,
  Retry,
  Schedule,
} from '../core/model.ts'
import { withRolePasswords } from '../core/role-passwords.ts'
import { scheduleFault } from '../core/schedule.ts'
import { zoneFault } from '../core/zone.ts'
import type { Block } from './block.ts'
import { child, fault, flag, millis, named, number, oneOrMore, read, text } from './block.ts'
import { onlyApp, resolveJobApps } from './job-apps.ts'
import { jobFacts } from './job-facts.ts'
import { requireOf, resolveJobTargets } from './job-targets.ts'
import { resolveSubscriptions } from './resolve-channels.ts'
import { resolveChecks } from './resolve-checks.ts'
import { resolveCompression, resolveEncryption } from './resolve-sealing.ts'
import type { PlacedSource } from './resolve-sources.ts'
import { resolveSources } from './resolve-sources.ts'
import { fingerprintOf } from './words.ts'

/** What jobs refer to. */
export interface Surroundings {
  readonly targets: readonly DesiredTarget[]
  readonly channels: readonly Channel[]
  readonly encryption: Encryption | null
  readonly now: Instant
}

/** A job with the blocks that declare it. */
export interface PlacedJob {
  readonly job: DesiredJob
  readonly block: Block
  readonly sources: readonly PlacedSource[]
}

/** How a slot that failed is tried again, unless its job says otherwise. */
export const USUAL_RETRY: Retry = { attempts: 3, within: 7_200_000 as Millis }
/** How soon a copy is read again, unless its job says otherwise. */
const USUAL_VERIFIED_WITHIN = 604_800_000 as Millis

/** What is expected of a job that expects nothing. */
export const USUAL_OBJECTIVES: DesiredJob['objectives'] = {
  rpo: null,
  rto: null,
  verifiedWithin: USUAL_VERIFIED_WITHIN,
  drilledWithin: null,
}

/** The jobs of one level: the system's, or an organization's. */
export function resolveJobs(
  level: Block,
  organization: string | null,
  surroundings: Surroundings,
): readonly PlacedJob[] {
  return named(level, 'jobs').map(([name, block]) =>
    resolveJob(name, block, organization, surroundings),
  )
}

function resolveJob(
  name: string,
  block: Block,
  organization: string | null,
  surroundings: Surroundings,
): PlacedJob {
  const id = jobId(organization, name)
  const app = text(block, 'app') ?? onlyApp(block)
  const sources = resolveSources(block, { id, organization, app })
  const ofApps = resolveJobApps(block, { id, organization, app })
  const timezone = timezoneOf(block)
  const encryption = encryptionOf(block, surroundings.encryption)
  const around = { organization, timezone, targets: surroundings.targets, encryption }
  const { targets, noTarget } = resolveJobTargets(block, around)
  const checks = resolveChecks(block, [...sources.map(({ source }) => source), ...ofApps])
  const declared: Omit<DesiredJob, 'fingerprint' | 'facts'> = {
    id,
    organization,
    name,
    title: text(block, 'name') ?? name,
    enabled: flag(block, 'enabled') ?? true,
    schedule: resolveSchedule(block, timezone, surroundings.now),
    sources: [...sources.map(({ source }) => withRolePasswords(source, targets)), ...ofApps],
    targets,
    noTarget,
    require: requireOf(block, targets),
    retry: resolveRetry(block),
    objectives: resolveObjectives(block),
    notify: resolveSubscriptions(block, organization, surroundings.channels),
    compression: resolveCompression(block),
    encryption,
    firstRun: text(block, 'first_run') === 'now' ? 'now' : 'slot',
    renamedFrom: renamedFrom(block, organization),
    maxDuration: millis(block, 'max_duration'),
    path: pathTemplate(block),
    app,
    shrinkGuard: number(block, 'shrink_guard') ?? 0.5,
    maxDelete: number(block, 'max_delete') ?? 0.5,
    on: oneOrMore(block, 'on'),
    vardoJobId: text(block, 'vardo_job_id'),
    ...(text(block, 'format') === 'vardo' ? { format: 'vardo' as const } : {}),
    ...(checks.length === 0 ? {} : { checks }),
  }
  const facts = jobFacts(declared)
  return { block, sources, job: { ...declared, facts, fingerprint: fingerprintOf(facts) } }
}

function jobId(organization: string | null, name: string): JobId {
  return (organization === null ? name : `${organization}/${name}`) as JobId
}

/** The declared zone, or UTC also when there is no such zone. */
function timezoneOf(block: Block): string {
  const timezone = text(block, 'timezone') ?? 'UTC'
  const problem = zoneFault(timezone)
  if (problem === null) return timezone
  const [message = problem, near] = problem.split(', did you mean ')
  const hint = near === undefined ? 'a name such as Europe/Berlin' : `did you mean ${near}`
  fault(block, 'timezone', isHidden(block, 'timezone') ? 'unknown time zone' : message, hint)
  return 'UTC'
}

function resolveSchedule(block: Block, timezone: string, now: Instant): Schedule | null {
  const cron = text(block, 'schedule')?.trim() ?? null
  if (cron === null || cron === 'manual') return null
  const problem = scheduleFault({ cron, timezone }, now)
  if (problem !== null) {
    const hint = 'minute hour day month weekday: "0 2 * * *" is 02:00 every day'
    fault(block, 'schedule', isHidden(block, 'schedule') ? 'is no usable schedule' : problem, hint)
  }
  return { cron, timezone }
}

/** Whether a value came out of the environment, and is not to be quoted. */
function isHidden(block: Block, key: string): boolean {
  const value = block.tree.entries.get(key)?.value
  return value?.kind === 'scalar' && value.hidden
}

function resolveRetry(job: Block): Retry {
  const block = child(job, 'retry')
  if (block === null) return USUAL_RETRY
  return {
    attempts: number(block, 'attempts') ?? USUAL_RETRY.attempts,
    within: millis(block, 'within') ?? USUAL_RETRY.within,
  }
}

function resolveObjectives(job: Block): Objectives {
  const block = child(job, 'objectives')
  if (block === null) {
    return USUAL_OBJECTIVES
  }
  return {
    rpo: millis(block, 'rpo'),
    rto: millis(block, 'rto'),
    verifiedWithin:
      read(block, 'verified_within') === 'never' ? null : millis(block, 'verified_within'),
    drilledWithin: millis(block, 'drilled_within'),
  }
}

function encryptionOf(job: Block, inherited: Encryption | null): Encryption | null {
  const own = resolveEncryption(job, inherited)
  if (text(job, 'format') !== 'vardo') return own
  if (own !== null && job.tree.entries.has('encryption')) {
    fault(job, 'encryption', 'format vardo is plain', 'leave "encryption" or "format" out')
  }
  return null
}

function renamedFrom(block: Block, organization: string | null): JobId | null {
  const former = text(block, 'renamed_from')
  if (former === null) return null
  return former.includes('/') ? (former as JobId) : jobId(organization, former)
}

const PLACEHOLDERS = ['org', 'app', 'job', 'source', 'timestamp', 'yyyy', 'mm', 'dd']

function pathTemplate(block: Block): string | null {
  const template = text(block, 'path')
  if (template === null) return null
  const used = [...template.matchAll(/\{([^}]*)\}/g)].map(([, name = '']) => name)
  const unknown = used.find((name) => !PLACEHOLDERS.includes(name))
  const parts = template.split('/')
  if (!used.includes('source') || !used.includes('timestamp')) {
    fault(block, 'path', 'must hold {source} and {timestamp}', '{org}/{app}/{source}/{timestamp}')
  } else if (unknown !== undefined) {
    const known = PLACEHOLDERS.map((name) => `{${name}}`).join(' ')
    fault(block, 'path', `unknown placeholder {${unknown}}`, `known are ${known}`)
  } else if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    fault(block, 'path', 'must be relative, without empty parts, "." and ".."')
  }
  return template
}
