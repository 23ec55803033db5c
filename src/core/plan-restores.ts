import type { ReleaseAction } from './action.ts'
import type { Restore } from './model.ts'
import { byText } from './order.ts'
import type { Scene } from './scene.ts'

/** In-place restores that need nothing to be kept any more: they failed, or a backup that began after them succeeded. */
export function planReleases(scene: Scene): readonly ReleaseAction[] {
  return scene.observed.history.restores
    .toSorted((one, other) => one.startedAt - other.startedAt || byText(one.id, other.id))
    .flatMap((restore) => released(scene, restore) ?? [])
}

function released(scene: Scene, restore: Restore): ReleaseAction | null {
  const { job, group, finishedAt, inPlace, status } = restore
  if (!inPlace || restore.released || job === null || group === null) return null
  if (status === 'failed') {
    return { kind: 'release', subject: job, restore, because: { rule: 'restore-failed' } }
  }
  if (status !== 'success' || finishedAt === null) return null
  const [baseline] = scene
    .attemptsOfGroup(scene.group(group))
    .filter((one) => one.status === 'success' && one.startedAt >= finishedAt)
    .sort((one, other) => one.startedAt - other.startedAt || byText(one.id, other.id))
  if (baseline === undefined) return null
  const because = { rule: 'baseline-complete', backup: baseline.id } as const
  return { kind: 'release', subject: job, restore, because }
}
