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
}
