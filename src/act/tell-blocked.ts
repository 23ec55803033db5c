import type { PruneAction, PruneBlockedAction } from '../core/action.ts'
import type { World } from '../observe/world.ts'
import { announceOther } from './announce.ts'

/**
 * Reports a deletion that is blocked, once as long as nothing about it changes. One that only a
 * person can let go on is told to those who hear of failures, too: once, also across restarts.
 */
export async function tellBlocked(action: PruneBlockedAction, world: World): Promise<void> {
  const { subject: job, target, group, because, would } = action
  const state = `${because.rule} ${would.length}`
  if (!world.news(`prune-blocked ${group} ${target}`, state)) return
  const message = `nothing is pruned of ${group} on ${target} (${because.rule}): ${would.length} copies would go; look with: holdfast plan`
  world.report({
    event: 'prune.blocked',
    level: 'warn',
    message,
    job,
    target,
    detail: { ...because, would: would.length },
  })
  // The failed attempt was told already, and lifts the block by itself once it is mended.
  if (because.rule === 'newest-attempt-failed') return
  if ((await world.store.fact(factOf(action))) === because.rule) return
  await announceOther(
    'failure',
    job,
    {
      type: 'prune.blocked',
      title: `Prune blocked: ${job}`,
      message,
      source: group.split('/').at(-1) ?? null,
      target,
      backupId: null,
      key: null,
      error: null,
    },
    world,
  )
  await world.store.saveFact(factOf(action), because.rule)
}

/** The group is pruned again: a block that comes later is news. */
export async function forgetBlocked(action: PruneAction, world: World): Promise<void> {
  if ((await world.store.fact(factOf(action))) !== null) {
    await world.store.saveFact(factOf(action), null)
  }
}

function factOf({ group, target }: Pick<PruneAction, 'group' | 'target'>): string {
  return `notify.blocked:${group} ${target}`
}
