import { settingWords } from '../core/plan-posture.ts'
import {
  type Finding,
  type PostureSeen,
  postureState,
  type Unmet,
  unknownOf,
  unmetOf,
} from '../core/posture.ts'
import type { Json } from './json.ts'
import { plain } from './paint.ts'

/** Lines on what of a target is not as expected. */
export function driftLines(target: string, seen: PostureSeen | undefined): readonly string[] {
  return unmetOf(seen).map((one) =>
    plain(`drift: ${settingWords(one.setting)} of ${target} is ${one.found}, ${wanted(one)}`),
  )
}

/** Lines on what of a target nobody could ask. */
export function unknownLines(target: string, seen: PostureSeen | undefined): readonly string[] {
  return unknownOf(seen).map((one) =>
    plain(`unknown: ${settingWords(one.setting)} of ${target}: ${one.why}, ${wanted(one)}`),
  )
}

function wanted({ expected, settable, hint }: Finding): string {
  const next = settable ? 'set it with: holdfast apply' : hint
  return `expected: ${expected}${next === null ? '' : ` (${next})`}`
}

/** `{ state, unmet, unknown, error }`, or null where nothing is expected. */
export function postureJson(seen: PostureSeen | undefined): Json {
  if (seen === undefined) return null
  return {
    state: postureState(seen),
    unmet: unmetOf(seen).map(unmetJson),
    unknown: unknownOf(seen).map(({ setting, expected, why, hint }) => ({
      setting,
      expected,
      why,
      hint,
    })),
    error: seen.kind === 'unreachable' ? seen.error : null,
  }
}

/** A difference, as every document tells it. */
export function unmetJson({ setting, expected, found, settable, hint }: Unmet): {
  readonly [key: string]: Json
} {
  return { setting, expected, found, settable, hint }
}
