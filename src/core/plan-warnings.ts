import { count } from '../lib/count.ts'
import { checkWarnings } from './checks.ts'
import { clockWarnings } from './clock.ts'
import { dumpWarnings } from './dumped-volumes.ts'
import type { Desired, DesiredJob, Encryption, Instant, TargetId } from './model.ts'
import type { Observed, Warning } from './observed.ts'
import { byText, groupedBy } from './order.ts'
import { pauseWarnings } from './pauses.ts'
import { discoveryWarnings } from './plan-coverage.ts'
import { postureWarnings } from './plan-posture.ts'

/** What deserves a look although nothing has to be done: by rule, then by subject. */
export function planWarnings(
  desired: Desired,
  observed: Observed,
  now: Instant,
): readonly Warning[] {
  const kinds = new Map(desired.targets.map((target) => [target.id, target.kind]))
  const isLocal = (target: TargetId) => kinds.get(target) === 'local'
  return inOrder([
    ...desired.unavailable.map(({ path, what }) => ({
      rule: 'not-available',
      subject: path,
      message: `${what}: not available in this version`,
      hint: 'plan shows it; apply, daemon and backup create refuse it until it is taken out',
    })),
    ...desired.jobs.flatMap((job) => ofJob(job, isLocal)),
    ...unreachable(desired, observed),
    ...postureWarnings(desired, observed),
    ...damaged(observed),
    ...standing(observed),
    ...pauseWarnings(observed),
    ...clockWarnings(desired, observed, now),
    ...discoveryWarnings(desired, observed, now),
    ...observed.warnings,
  ])
}

/** The order in which every plan tells its warnings. */
export function inOrder(warnings: readonly Warning[]): readonly Warning[] {
  return warnings.toSorted(
    (one, other) =>
      byText(one.rule, other.rule) ||
      byText(one.subject, other.subject) ||
      byText(one.message, other.message),
  )
}

function ofJob(job: DesiredJob, isLocal: (target: TargetId) => boolean): readonly Warning[] {
  const subject = job.id
  if (job.targets.length === 0) {
    const message = `it has no target: ${job.noTarget ?? 'none is declared'}`
    const hint = 'declare a target, or name one in the job'
    return [{ rule: 'no-target', subject, message, hint }]
  }
  const warnings: Warning[] = [...checkWarnings(job), ...dumpWarnings(job)]
  if (job.targets.every(({ target }) => isLocal(target))) {
    warnings.push({
      rule: 'no-copy-off-host',
      subject,
      message: 'all of its copies stay on this machine',
      hint: isOfHiqlite(job)
        ? BUCKET
        : 'add a target elsewhere: one disk must not take the data and its backups',
    })
  }
  const ways = job.targets.map(({ encryption }) => encryption)
  const plain = job.targets.filter(({ encryption }) => encryption === null)
  const open = plain.filter(({ target }) => !isLocal(target)).map(({ target }) => target)
  if (plain.length === job.targets.length || open.length > 0) {
    const where = plain.length === job.targets.length ? '' : ` on ${open.join(', ')}`
    warnings.push({
      rule: 'unencrypted',
      subject,
      message: `its archives${where} are not encrypted`,
      hint: isOfHiqlite(job)
        ? BUCKET
        : 'declare encryption.recipients; make a key with: age-keygen -o age.key',
    })
  }
  if (ways.some((way) => way !== null && isOneWay(way))) {
    warnings.push({
      rule: 'identity-elsewhere',
      subject,
      message:
        'its identity is kept elsewhere: nothing here can open, verify to the end or restore',
      hint: 'declare encryption.identity_file where restores are wanted',
    })
  }
  return warnings
}

const BUCKET =
  "set s3_url in Hiqlite's table: what goes to its bucket is encrypted; its folder stays as Hiqlite has it, plain"

/** Whether Hiqlite's own table made the job, whose targets nothing else can change. */
function isOfHiqlite({ path }: DesiredJob): boolean {
  return path?.startsWith('backup_node_') ?? false
}

/** Whether what closes archives cannot open them. */
function isOneWay(encryption: Encryption): boolean {
  return (
    encryption.scheme === 'age' &&
    encryption.identityFiles.length === 0 &&
    encryption.passphraseFile === null
  )
}

function damaged(observed: Observed): readonly Warning[] {
  const failed = observed.history.copies.filter(
    ({ status, verify }) => status === 'complete' && verify === 'failed',
  )
  return [...groupedBy(failed, ({ target, group }) => `${target} ${group}`).values()].map(
    (copies) => ({
      rule: 'verify-failed',
      subject: copies[0]?.group ?? '',
      message: `${count(copies.length, 'copy', 'copies')} on ${copies[0]?.target} failed to verify: not counted, and not deleted`,
      hint: 'look at them with: holdfast backup list; take a sound one with: holdfast backup create',
    }),
  )
}

/** Copies that are lost and whose remains keep a good one from being made: nothing is overwritten. */
function standing({ history, listings }: Observed): readonly Warning[] {
  const inTheWay = history.copies.filter(({ target, key, status }) => {
    const listing = status === 'missing' || status === 'failed' ? listings.get(target) : undefined
    if (listing?.kind !== 'listed' || !listing.objects.has(key)) return false
    return listing.manifests.get(key)?.kind === 'foreign'
  })
  return [...groupedBy(inTheWay, ({ target }) => target)].map(([target, copies]) => ({
    rule: 'copy-in-the-way',
    subject: target,
    message:
      `${count(copies.length, 'archive', 'archives')} of ours there, first ${copies[0]?.key}, ` +
      'and the manifest beside do not belong together: no copy, and no place for one',
    hint: 'remove archive and manifest by hand; the next pass copies it from another target',
  }))
}

function unreachable(desired: Desired, observed: Observed): readonly Warning[] {
  const later = new Set(desired.unavailable.map(({ path }) => path.split('.').at(-1)))
  return desired.targets.flatMap(({ id, name }) => {
    const listing = observed.listings.get(id)
    // What this version does not build has said so already.
    if (listing?.kind !== 'unreachable' || later.has(name)) return []
    return {
      rule: 'target-unreachable',
      subject: id,
      message: `it could not be looked at, so nothing on it is deleted or called missing: ${listing.error}`,
      hint: 'look again with: holdfast target list',
    }
  })
}
