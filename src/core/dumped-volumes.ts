import { livingSources } from './members.ts'
import type { DesiredJob, DesiredSource } from './model.ts'
import type { Warning } from './observed.ts'
import { groupedBy } from './order.ts'

/** What may be said of a volume and means nothing to the server whose data it turned out to hold. */
const OF_FILES = ['exclude', 'stop', 'pause', 'restart', 'before', 'after', 'exec'] as const

/** Volumes that are backed up as dumps of their server, and what is said of them that a dump does not heed. */
export function dumpWarnings(job: DesiredJob): readonly Warning[] {
  const dumped = livingSources(job).filter(({ kind }) => kind !== 'volume')
  // Several databases come of one declaration.
  const byPlace = groupedBy(dumped, placeIn)
  return [...byPlace].flatMap(([place, sources]) => {
    const unheeded = OF_FILES.filter((key) =>
      sources.some(({ kind, options }) => {
        const isSaid = options[key] !== undefined && options[key] !== false
        return isSaid && !(key === 'restart' && kind === 'postgres')
      }),
    )
    if (place === null || unheeded.length === 0) return []
    const message = `${place} is backed up by dumps of its server, which do not heed ${unheeded.join(', ')}`
    const hint = 'take them out; or archive the files, with strategy: tar and stop: true'
    return [{ rule: 'dump-of-volume', subject: job.id, message, hint }]
  })
}

/** Null of what never was a volume. */
function placeIn({ options: { app, volume } }: DesiredSource): string | null {
  const whose = app === undefined ? '' : ` of app ${app}`
  if (volume !== undefined) return `volume ${volume}${whose}`
  return app === undefined ? null : `a volume${whose}`
}
