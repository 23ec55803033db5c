import type { AutoTemplate } from '../core/docker-settings.ts'
import type { Channel, DesiredJob, DesiredTarget, Encryption, Subscription } from '../core/model.ts'
import { jobFacts } from './job-facts.ts'
import { USUAL_OBJECTIVES, USUAL_RETRY } from './resolve-jobs.ts'
import { defaultTarget } from './resolve-targets.ts'
import { keepEverything } from './retention.ts'
import { fingerprintOf, md5BytesOf } from './words.ts'

/** What templates are made of. */
export interface AutoSurroundings {
  readonly targets: readonly DesiredTarget[]
  readonly channels: readonly Channel[]
  readonly encryption: Encryption | null
}

/** Vardo's numbers for the jobs that it makes by itself. */
const KEPT = { keepAll: false, keepLast: 1, keepDaily: 7, keepWeekly: 1, keepMonthly: 1 } as const

/**
 * The auto jobs of one organization, or of the system. As Vardo makes them, plain gzip, which Vardo
 * reads, unless the file declares an encryption: who did would not look for open archives.
 */
export function autoTemplate(
  organization: string | null,
  { targets, channels, encryption }: AutoSurroundings,
): AutoTemplate {
  const target = defaultTarget(targets, organization)
  const retention = { ...keepEverything('UTC'), ...KEPT }
  const isPlain = encryption === null
  return {
    organization,
    enabled: true,
    targets: typeof target === 'string' ? [] : [{ target: target.id, retention, encryption }],
    noTarget: typeof target === 'string' ? target : null,
    require: 1,
    retry: USUAL_RETRY,
    objectives: USUAL_OBJECTIVES,
    notify: subscriptions(organization, channels),
    compression: isPlain ? { kind: 'gzip', level: 6 } : { kind: 'zstd', level: 3 },
    encryption,
    firstRun: 'slot',
    renamedFrom: null,
    maxDuration: null,
    path: null,
    shrinkGuard: 0.5,
    maxDelete: 0.5,
    vardoJobId: null,
    ...(isPlain ? { format: 'vardo' as const } : {}),
  }
}

/** Failures, to every channel of the level; a ping that hears of no success would alarm. */
function subscriptions(
  organization: string | null,
  channels: readonly Channel[],
): readonly Subscription[] {
  const prefix = organization === null ? '' : `${organization}/`
  return channels
    .filter(({ id }) => (organization === null ? !id.includes('/') : id.startsWith(prefix)))
    .map(({ id, kind }) => ({
      channel: id,
      on: kind === 'ping' ? ['failure', 'success'] : ['failure'],
    }))
}

/** What turns a decision on an auto job into a job as the file declares them. */
export const JOB_MAKING = {
  /** Fills in the facts and their fingerprint. */
  finish(declared: Omit<DesiredJob, 'fingerprint' | 'facts'>): DesiredJob {
    const facts = jobFacts(declared)
    return { ...declared, facts, fingerprint: fingerprintOf(facts) }
  },
  /** Bytes that stay the same for a name, as Vardo spreads its jobs by them. */
  seed: md5BytesOf,
}
