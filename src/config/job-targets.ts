import type { DesiredJob, DesiredTarget, Encryption, JobTarget } from '../core/model.ts'
import type { Block, Item } from './block.ts'
import { blockOf, fault, item, items, number } from './block.ts'
import { resolveEncryption } from './resolve-sealing.ts'
import { defaultTarget, findTarget, targetHint } from './resolve-targets.ts'
import { keepEverything, retentionIn, retentionOfJob } from './retention.ts'

/** What stands around the targets of a job. */
export interface JobSurroundings {
  readonly organization: string | null
  readonly timezone: string
  readonly targets: readonly DesiredTarget[]
  /** Of the job. */
  readonly encryption: Encryption | null
}

/** Where a job goes, and what it keeps there; or why it goes nowhere. */
export function resolveJobTargets(
  job: Block,
  { organization, timezone, targets, encryption }: JobSurroundings,
): Pick<DesiredJob, 'targets' | 'noTarget'> {
  const own = retentionOfJob(job, timezone)
  const entry = (target: DesiredTarget, block: Block | null): JobTarget => {
    const there = block === null ? null : retentionIn(block, timezone)
    const inherited = target.retention === null ? null : { ...target.retention, timezone }
    const retention = there ?? own ?? inherited ?? keepEverything(timezone)
    const closed = block === null ? encryption : resolveEncryption(block, encryption)
    return { target: target.id, retention, encryption: closed }
  }
  const named = namedTargets(job)
  if (named === null) {
    const target = defaultTarget(targets, organization)
    return typeof target === 'string'
      ? { targets: [], noTarget: target }
      : { targets: [entry(target, null)], noTarget: null }
  }
  const seen = new Set<string>()
  const found = named.flatMap((one) => {
    const target = lookUp(one, job, organization, targets)
    if (target === null) return []
    if (seen.has(target.id)) job.context.faults.add(one.tree.place, one.path, 'is named twice')
    seen.add(target.id)
    return [entry(target, blockOf(one, job.context))]
  })
  return { targets: found, noTarget: null }
}

/** The targets that the job names, or null when it leaves the choice to the defaults. */
function namedTargets(job: Block): readonly Item[] | null {
  const short = item(job, 'target')
  const list = item(job, 'targets')
  if (short !== null && list !== null) {
    fault(job, 'target', 'stands beside "targets"', 'write it into "targets"')
  }
  if (short !== null) return [short]
  return list === null ? null : items(job, 'targets')
}

function lookUp(
  { path, tree }: Item,
  job: Block,
  organization: string | null,
  targets: readonly DesiredTarget[],
): DesiredTarget | null {
  const value = tree.kind === 'map' ? tree.entries.get('name')?.value : tree
  if (value?.kind !== 'scalar' || typeof value.value !== 'string' || value.value === '') return null
  const name = value.value
  const target = findTarget(targets, organization, name)
  if (target === null) {
    const words = value.hidden ? 'unknown target' : `unknown target "${name}"`
    job.context.faults.add(value.place, path, words, targetHint(targets, organization, name))
  }
  return target
}

/** How many targets must hold a copy: all, unless declared. */
export function requireOf(block: Block, targets: readonly JobTarget[]): number {
  const declared = number(block, 'require')
  if (declared === null) return targets.length
  const named = namedTargets(block)?.length ?? targets.length
  if (named > 0 && declared > named) {
    fault(block, 'require', `${declared} targets are required, and the job has ${named}`)
  }
  return declared
}
