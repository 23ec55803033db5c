/** A sqlite source as the config declares it. */
export interface SqliteSettings {
  /** Absolute. */
  readonly path: string
  /** A database without tables is a good backup. */
  readonly allowEmpty: boolean
}
