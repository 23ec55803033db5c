import type { PostureAction } from './action.ts'
import type { Desired } from './model.ts'
import type { Observed, Warning } from './observed.ts'
import { sortedBy } from './order.ts'
import { unknownOf, unmetOf } from './posture.ts'

/** The settings of declared targets that are not as the file expects: by target, then by setting. */
export function planPostures(desired: Desired, observed: Observed): readonly PostureAction[] {
  return sortedBy(desired.targets, ({ id }) => id).flatMap(({ id: subject }) =>
    sortedBy(unmetOf(observed.postures.get(subject)), ({ setting }) => setting).map(
      ({ setting, expected, found, settable, hint }) => ({
        kind: 'posture' as const,
        subject,
        settable,
        hint,
        because: { rule: 'expected' as const, setting, expected, found },
      }),
    ),
  )
}

/** What is expected and could not be asked: neither drift nor an error. A target that is away has said so. */
export function postureWarnings(desired: Desired, observed: Observed): readonly Warning[] {
  return desired.targets.flatMap(({ id }): readonly Warning[] => {
    const seen = observed.postures.get(id)
    if (seen === undefined || observed.listings.get(id)?.kind === 'unreachable') return []
    if (seen.kind === 'unreachable') {
      const message = `nobody can tell whether it is set up as expected: ${seen.error}`
      return [{ rule: RULE, subject: id, message, hint: 'try it with: holdfast target test' }]
    }
    const unknown = unknownOf(seen)
    if (unknown.length === 0) return []
    const words = unknown.map(
      ({ setting, expected, why }) => `${settingWords(setting)} (expected: ${expected}): ${why}`,
    )
    const hints = new Set(unknown.flatMap(({ hint }) => (hint === null ? [] : [hint])))
    const message = `it does not tell how it is set up: ${words.join('; ')}`
    return [{ rule: RULE, subject: id, message, hint: [...hints].join('; ') || null }]
  })
}

const RULE = 'posture-unknown'

/** `object lock`: a setting as a sentence names it. */
export function settingWords(setting: string): string {
  return setting.replaceAll('_', ' ')
}
