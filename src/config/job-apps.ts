import { groupOf } from '../core/group.ts'
import type { DesiredSource } from '../core/model.ts'
import { type Block, fault, strings } from './block.ts'
import type { SourceOwner } from './resolve-sources.ts'

/** The app that a job is about when it names one app and no source beside it. */
export function onlyApp(job: Block): string | null {
  const [app, more] = strings(job, 'apps')
  const hasSources = job.tree.entries.has('sources') || job.tree.entries.has('source')
  return app === undefined || more !== undefined || hasSources ? null : app
}

/**
 * A source for each app of a job, which stands for the volumes that the app has when it runs: what
 * is not seen yet cannot be named.
 */
export function resolveJobApps(job: Block, owner: SourceOwner): readonly DesiredSource[] {
  const apps = strings(job, 'apps')
  if (apps.length > 1 && owner.app !== null) {
    const hint = 'take "app" out: the volumes of several apps are filed under each job'
    fault(job, 'app', 'names one app beside several "apps"', hint)
  }
  return apps.map((app) => ({
    kind: 'volume',
    name: app,
    group: groupOf({
      organization: owner.organization,
      app: owner.app,
      job: owner.id,
      source: app,
    }),
    options: { app },
  }))
}
