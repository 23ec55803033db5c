import { holdPatiently } from '../leases/lease.ts'
import { LeaseBusy, messageOf, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { SourceContext } from '../sources/source.ts'
import { openHolds } from './alone.ts'
import { tokensAtWork } from './at-work.ts'
import { sweepLeft } from './sweep.ts'

/*
 * What a source does beside reading and writing, and has to undo, is noted before it is done: whom it
 * stopped. The note goes when all goes on. One whose work is over and that is still there is owed:
 * its process died, or what it had to undo could not be undone yet.
 */

const PREFIX = 'note:'

/** Whose note. */
interface Noted {
  readonly kind: string
  readonly job: string
  readonly source: string
  /** Mark of the host whose engine it is about; null where nobody else shares the state. */
  readonly home: string | null
  readonly note: string
}

/** What a source is given to keep notes and to be heard while it works for `token`. */
export function noting(
  about: { readonly kind: string; readonly job: string; readonly source: string },
  token: string,
  world: World,
): Required<Pick<SourceContext, 'keep' | 'tell'>> {
  const { kind, job, source } = about
  return {
    keep: async (note) => {
      const home = await homeOf(world)
      const noted: Noted = { kind, job, source, home, note: note ?? '' }
      await world.store.saveFact(PREFIX + token, note === null ? null : JSON.stringify(noted))
    },
    tell: (event, message, detail, level = 'info') =>
      world.report({ event, level, message, job, source, detail }),
  }
}

/** Whether anybody owes anything, or may: whoever is at work has notes, too. */
export async function areNotesKept({ store }: World): Promise<boolean> {
  return (await store.facts(PREFIX)).size > 0
}

/**
 * Lets go on what notes of this host say stands still for nobody any more. What cannot yet is told once,
 * and tried again by whoever calls this next. Throws the signal's reason.
 */
export async function wakeStanding(world: World, signal: AbortSignal): Promise<void> {
  await eachOwed('wake', world, signal)
}

/**
 * Does all else that notes of this host tell is owed, as it lets go on what stands still, and removes
 * what restores could not.
 */
export async function mendNotes(world: World, signal: AbortSignal): Promise<void> {
  await eachOwed('mend', world, signal)
  await sweepLeft(world, signal)
}

async function eachOwed(what: 'wake' | 'mend', world: World, signal: AbortSignal): Promise<void> {
  const { store, leases } = world
  if (!(await areNotesKept(world))) return
  const home = await homeOf(world)
  // By one at a time: what the first has paid is owed no longer.
  const asked = { leases, patience: PATIENCE[what] }
  await holdPatiently(
    asked,
    `${what}${home === null ? '' : `:${home}`}`,
    signal,
    async (_, held) => {
      const notes = await store.facts(PREFIX)
      const atWork = await tokensAtWork(world)
      for (const key of notes.keys()) {
        if (atWork.has(key.slice(PREFIX.length))) continue
        // An attempt that ended meanwhile has taken its note with it.
        const text = await store.fact(key)
        const noted = text === null ? null : (JSON.parse(text) as Noted)
        if (noted?.home === home) await pay(what, { key, noted }, world, held)
      }
    },
  )
}

/** Milliseconds: all wait for a moment for those that stand still, and nobody for hooks. */
const PATIENCE = { wake: 60_000, mend: 0 }

interface Owed {
  readonly key: string
  readonly noted: Noted
}

async function pay(
  what: 'wake' | 'mend',
  { key, noted }: Owed,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { kind, job, source } = noted
  const keep = (note: string | null) =>
    world.store.saveFact(key, note === null ? null : JSON.stringify({ ...noted, note }))
  try {
    const plugin = await world.plugins.sources.get(kind)?.()
    // Whoever is at work there now is not to be disturbed, nor waited for.
    await using holds = openHolds(world, 0)
    const context = { alone: holds.alone, keep }
    const done = await plugin?.[what]?.(noted.note, context, signal)
    // Nobody can pay for a kind that is gone.
    if (done === undefined && what === 'mend') await keep(null)
    if (!done) return
    world.report({ event: 'source.resumed', level: 'warn', message: done, job, source })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof LeaseBusy || !world.news(key, messageOf(error))) return
    world.report({
      event: 'pass.failed',
      level: 'error',
      message: `could not undo what a backup of ${job}/${source} had done: ${messageOf(error)}`,
      job,
      source,
      error: reportOf(error),
    })
  }
}

/** Null where nobody else shares the state. */
async function homeOf({ fleet }: World): Promise<string | null> {
  return fleet === null ? null : await fleet.home()
}
