import type { DesiredTarget } from '../core/model.ts'
import type { Block } from './block.ts'
import { fault } from './block.ts'
import type { PlacedJob } from './resolve-jobs.ts'

/** What each job may be by itself, and jobs together may not. */
export function checkConflicts(
  jobs: readonly PlacedJob[],
  targets: readonly DesiredTarget[],
  dataDir: string,
): void {
  checkGroups(jobs)
  checkRenames(jobs)
  for (const { sources } of jobs) {
    for (const { source, block } of sources) checkPath(source.options.path, block, targets, dataDir)
  }
}

/** Retention could not tell the archives of two jobs apart that write one group to one target. */
function checkGroups(jobs: readonly PlacedJob[]): void {
  const writers = new Map<string, PlacedJob>()
  for (const placed of jobs) {
    for (const { source, block } of placed.sources) {
      for (const { target } of placed.job.targets) {
        const key = `${target} ${source.group}`
        const first = writers.get(key)
        if (first !== undefined && first !== placed) {
          const message = `job "${first.job.id}" writes ${source.group} to target "${target}" too`
          const hint = 'give one of the sources another "name", or one of the jobs another "app"'
          block.context.faults.add(block.place, block.path, message, hint)
        }
        if (first === undefined) writers.set(key, placed)
      }
    }
  }
}

function checkRenames(jobs: readonly PlacedJob[]): void {
  const ids = new Set<string>(jobs.map(({ job }) => job.id))
  const heirs = new Map<string, string>()
  for (const { job, block } of jobs) {
    if (job.renamedFrom === null) continue
    const heir = heirs.get(job.renamedFrom)
    if (ids.has(job.renamedFrom)) {
      const hint = 'name the key that the job had before, or leave it out'
      fault(block, 'renamed_from', `job "${job.renamedFrom}" still exists`, hint)
    } else if (heir !== undefined) {
      fault(block, 'renamed_from', `job "${heir}" was renamed from it already`)
    }
    heirs.set(job.renamedFrom, job.id)
  }
}

/** A source that is its own target, or holds our state and nothing else, would eat itself. */
function checkPath(
  path: unknown,
  block: Block,
  targets: readonly DesiredTarget[],
  dataDir: string,
): void {
  if (typeof path !== 'string') return
  const target = targets.find(({ kind, options }) => kind === 'local' && options.path === path)
  if (target !== undefined) {
    fault(block, 'path', `is the directory of target "${target.id}" itself`)
  }
  if (path === dataDir) fault(block, 'path', 'is data_dir itself')
}
