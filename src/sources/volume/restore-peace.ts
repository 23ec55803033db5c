import { restartAll } from '../../docker/restart-all.ts'
import type { SourceContext, Staged, Staging } from '../source.ts'
import { openDebts } from './debts.ts'
import { type Halt, halt, turnToHalt } from './halt.ts'
import type { Place } from './place.ts'
import { usersUp } from './users.ts'

export interface Restoring {
  readonly place: Place
  readonly context: SourceContext
}

/** A staging during whose last part, and the swap, the volume's users stand still if they are to. */
export function withPeace(
  inner: Staging,
  { place, context }: Restoring,
  signal: AbortSignal,
): Staging {
  const { settings } = place
  let halted: Halt | null = null
  return {
    ...inner,
    async finish(exit, during) {
      // Before the swap is planned: what is written later would be in nobody's plan.
      if (settings.quiet === 'stop') {
        const halting = { place, how: 'stop', context, debts: openDebts(place, context) } as const
        const until = AbortSignal.any([signal, during])
        halted = await halt(halting, await turnToHalt(halting, until), until)
      }
      const staged = await inner.finish(exit, during)
      return { ...staged, summary: renamed(staged, place) }
    },
    async swapped() {
      const said = (await inner.swapped?.()) ?? []
      return [...said, ...(await wake({ place, context }, halted))]
    },
    async discard() {
      await halted?.resume()
      await inner.discard()
    },
  }
}

/** Lets the users go on with what was restored; in words what is left to do. */
async function wake(
  { place, context }: Restoring,
  halted: Halt | null,
): Promise<readonly string[]> {
  const { signal } = new AbortController()
  const { engine, settings } = place
  const resumed = await halted?.resume()
  const failed = [...(resumed?.warnings ?? [])]
  const others = (await usersUp(place, signal)).filter(
    ({ name }) => !resumed?.stopped.includes(name),
  )
  if (others.length === 0) return failed
  const names = others.map(({ name }) => name).toSorted()
  if (!settings.restart) {
    const still = 'not restarted, and still at the files from before'
    return [...failed, `${still}: docker restart ${names.join(' ')}`]
  }
  const grace = Math.ceil(settings.stopTimeout / 1000)
  const done = await restartAll(engine, others, { grace, signal })
  if (done.restarted.length > 0) {
    const message = `restarted ${done.restarted.join(', ')} for volume ${place.volume.name}`
    context.tell?.('source.resumed', message, { containers: done.restarted })
  }
  return [...failed, ...done.failed]
}

function renamed({ summary }: Staged, { volume }: Place): string {
  return `${summary.replace(/ into \/.*$/, '')} into volume ${volume.name}`
}
