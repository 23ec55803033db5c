import type { Copy, DesiredJob, DesiredSource, Restore } from '../core/model.ts'
import type { Source } from '../sources/source.ts'
import type { Archive } from './archive.ts'

/** What is to be restored, from where, to where: everything resolved. */
export interface RestoreOrder {
  /** As it was asked for. */
  readonly reference: string
  readonly by: Restore['by']
  readonly archive: Archive
  /** Other copies of the same backup, for when this one turns out not to be whole, best first. */
  readonly others: readonly Copy[]
  readonly source: Source
  /** Null when the archive goes elsewhere and no declared source is concerned. */
  readonly place: { readonly job: DesiredJob; readonly source: DesiredSource } | null
  /** Null: into the source itself. */
  readonly to: string | null
  readonly only: string | null
  readonly force: boolean
  /** Straight into the live data, with nothing kept of what it replaces. */
  readonly direct: boolean
  /** Copies to keep until a new baseline is complete: this one and the newest before it. */
  readonly pins: readonly Copy[]
}
