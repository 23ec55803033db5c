import type { ReleaseAction } from './action.ts'
import type { Restore } from './model.ts'
import { byText } from './order.ts'
import type { Scene } from './scene.ts'

/** The in-place restores whose source has a successful backup that began after they ended. */
export function planReleases(scene: Scene): readonly ReleaseAction[] {
  return scene.observed.history.restores
    .toSorted((one, other) => one.startedAt - other.startedAt || byText(one.id, other.id))
    .flatMap((restore) => released(scene, restore) ?? [])
}

function released(scene: Scene, restore: Restore): ReleaseAction | null {
  const { job, group, finishedAt, inPlace, status } = restore
  if (!inPlace || status !== 'success') return null
  if (job === null || group === null || finishedAt === null) return null
  const [baseline] = scene
    .attemptsOfGroup(scene.group(group))
    .filter((one) => one.status === 'success' && one.startedAt >= finishedAt)
    .sort((one, other) => one.startedAt - other.startedAt || byText(one.id, other.id))
  if (baseline === undefined) return null
  const because = { rule: 'baseline-complete', backup: baseline.id } as const
  return { kind: 'release', subject: job, restore, because }
}
