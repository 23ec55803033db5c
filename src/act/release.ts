import { archiveOfPin, formerGroup, listPrefixes, pinKey } from '../core/archive-key.ts'
import type { Restore, TargetId } from '../core/model.ts'
import { covering } from '../core/prefixes.ts'
import { ObjectMissing } from '../lib/errors.ts'
import { openTarget, type World } from '../observe/world.ts'
import { readText } from '../stream/text.ts'
import type { Target } from '../targets/target.ts'
import { realmOf } from './realm.ts'

/**
 * Lets go of a restore of which nothing is needed any more: the data from before it goes, and so do
 * the pins that it set. Pins that somebody else set stay.
 */
export async function release(restore: Restore, world: World, signal: AbortSignal): Promise<void> {
  // Restores of one archive share its pin: the last of them to be let go takes it away.
  if (restore.group !== null && !(await isAnotherOwed(restore, world))) {
    const reach = await reachOf(restore, world)
    for (const { id } of world.desired.targets) {
      await unpinOf(restore, reach(id), await openTarget(world, id), signal)
    }
  }
  const { previous } = restore
  const realm = previous === null ? null : await realmOf(restore, world)
  // A name out of our own history is still checked: the history is a file that can be edited.
  if (previous !== null && realm?.isPrevious(previous)) await realm.remove(previous)
  await world.store.releaseRestore(restore.id)
}

/** Whether what is pinned is some other restore's way back. */
async function isAnotherOwed({ id, group }: Restore, world: World): Promise<boolean> {
  const { restores } = await world.store.history({ depth: 'recent', jobs: null })
  return restores.some(
    (one) =>
      one.id !== id &&
      one.group === group &&
      one.inPlace &&
      !one.released &&
      (one.status === 'running' || one.status === 'success'),
  )
}

/** What the release of one restore may look at on a target, and which archives are of its group there. */
interface Reach {
  readonly prefixes: readonly string[]
  readonly archives: ReadonlySet<string>
}

async function unpinOf(
  restore: Restore,
  { prefixes, archives }: Reach,
  target: Target,
  signal: AbortSignal,
): Promise<void> {
  const inReach = covering(prefixes)
  // A job may have had another template when they were made.
  const pins = new Set([...archives].filter((key) => !inReach(key)).map(pinKey))
  for (const prefix of prefixes) {
    for await (const { objects } of target.list(prefix, signal)) {
      for (const { key } of objects) if (archiveOfPin(key) !== null) pins.add(key)
    }
  }
  for (const key of pins) {
    const text = await readText(target, key, signal).catch((error) => {
      if (error instanceof ObjectMissing) return ''
      throw error
    })
    // Other groups may stand under the same prefix: what their restores pinned is theirs.
    const isOfGroup = archives.has(archiveOfPin(key) ?? '')
    const isOwn = text.includes(JSON.stringify(`restore:${restore.id}`))
    // One that the target locks keeps its archive for longer, which costs space and nothing else.
    if (isOwn || (isOfGroup && OF_RESTORE.test(text))) await target.remove([key], signal)
  }
}

/** The reason of a pin that a restore set, by its id. */
const OF_RESTORE = /"restore:[0-9a-z]{18}"/

/** Where archives of the source may stand: in its group, where the job's own template puts them, and where the history saw them. */
async function reachOf(restore: Restore, world: World): Promise<(id: TargetId) => Reach> {
  const job = world.desired.jobs.find(({ id }) => id === restore.job)
  const source = job?.sources.find(({ name }) => name === restore.source)
  const groups = new Set([restore.group, job && source ? formerGroup(job, source) : null])
  const jobs = restore.job === null ? [] : [restore.job]
  const { copies } = await world.store.history({ depth: 'full', jobs })
  const prefixes = [
    ...new Set([`${restore.group}/`, ...(job && source ? listPrefixes(job, source) : [])]),
  ]
  return (id) => ({
    prefixes,
    archives: new Set(
      copies.flatMap((one) => (one.target === id && groups.has(one.group) ? [one.key] : [])),
    ),
  })
}
