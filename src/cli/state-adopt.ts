import { adopt } from '../act/adopt.ts'
import { sortedBy } from '../core/order.ts'
import { hold } from '../leases/lease.ts'
import { LeaseBusy } from '../lib/errors.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { openForWork } from './opened.ts'

/** `state adopt`: reads every manifest that the history does not know and makes history of it. Deletes nothing. */
export async function stateAdopt(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await openForWork(flags, context)
  const { world } = opened
  const turn = await hold(world.leases, 'deployment', context.interrupted, async () => {
    const { observed, plan } = await lookAround(world, context, null)
    const adopted = plan.actions.filter((action) => action.kind === 'adopt')
    for (const action of adopted) {
      await adopt(action, world)
      world.report({
        event: 'adopt.done',
        level: 'info',
        message: `adopted ${action.key} on ${action.subject}`,
        target: action.subject,
        key: action.key,
        backup: action.manifest.backup,
      })
    }
    const unreachable = [...observed.listings].flatMap(([id, listing]) =>
      listing.kind === 'unreachable' ? [{ target: id, error: listing.error }] : [],
    )
    const foreign = [...observed.listings].flatMap(([id, listing]) =>
      listing.kind === 'listed'
        ? [...listing.manifests].flatMap(([key, found]) =>
            found.kind === 'foreign' ? [{ target: id, key, why: found.why }] : [],
          )
        : [],
    )
    return {
      adopted,
      unreachable,
      foreign: sortedBy(foreign, ({ target, key }) => `${target} ${key}`),
    }
  })
  if (turn.kind === 'busy') throw new LeaseBusy('the deployment', turn.holder)
  const { adopted, unreachable, foreign } = turn.value
  if (flags.json) {
    context.out(
      JSON.stringify(
        {
          adopted: adopted.map(({ subject, key }) => ({ target: subject, key })),
          unreachable,
          foreign,
        },
        null,
        2,
      ),
    )
  } else {
    context.out(`adopted ${adopted.length} archives`)
    for (const { target, key, why } of foreign)
      context.out(`  foreign on ${target}: ${key}: ${why}`)
    for (const { target, error } of unreachable)
      context.out(`  could not look at ${target}: ${error}`)
  }
  return unreachable.length > 0 ? 13 : 0
}
