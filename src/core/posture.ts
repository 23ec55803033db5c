/** What a bucket may be expected to be set to. */
export type Setting =
  | 'versioning'
  | 'object_lock'
  | 'abort_multipart'
  | 'encryption'
  | 'public_access'

/** One expectation, and what was found. */
export interface Finding {
  readonly setting: Setting
  /** In words: `on`, `compliance for 30 days`. */
  readonly expected: string
  /** In words, or null when the place does not tell. */
  readonly found: string | null
  /** Why it could not be asked; null when it could. */
  readonly why: string | null
  readonly met: boolean
  /** `manage: true`, and the place lets it be set after the fact. */
  readonly settable: boolean
  /** What a person can do about it where we cannot; null where nothing is to be done, or we can. */
  readonly hint: string | null
}

/** How a place is set up, as far as somebody looked at what is expected of it. */
export type PostureSeen =
  | { readonly kind: 'seen'; readonly findings: readonly Finding[] }
  | { readonly kind: 'unreachable'; readonly error: string }

/** A finding that the place told, and that is not as expected. */
export type Unmet = Finding & { readonly found: string }

/** What differs from the file. What could not be asked is no difference. */
export function unmetOf(seen: PostureSeen | undefined): readonly Unmet[] {
  return findingsOf(seen).filter((one): one is Unmet => !one.met && one.found !== null)
}

/** What the place does not tell. */
export function unknownOf(seen: PostureSeen | undefined): readonly Finding[] {
  return findingsOf(seen).filter(({ found }) => found === null)
}

function findingsOf(seen: PostureSeen | undefined): readonly Finding[] {
  return seen?.kind === 'seen' ? seen.findings : []
}

/** `met`, or the worse that can be said of any; null where nothing is expected. */
export type PostureState = 'met' | 'unmet' | 'unknown' | null

/** How a place stands against what is expected of it. */
export function postureState(seen: PostureSeen | undefined): PostureState {
  if (seen === undefined) return null
  if (unmetOf(seen).length > 0) return 'unmet'
  return seen.kind === 'unreachable' || unknownOf(seen).length > 0 ? 'unknown' : 'met'
}
