import type { GroupId, JobId } from './model.ts'

/** What says where an archive belongs, in the config as in a manifest. */
export interface Belonging {
  readonly organization: string | null
  readonly app: string | null
  readonly job: JobId
  readonly source: string
}

/** `{organization or system}/{app or job}/{source}`: what retention groups by. */
export function groupOf({ organization, app, job, source }: Belonging): GroupId {
  const name = organization === null ? job : job.slice(organization.length + 1)
  return `${organization ?? 'system'}/${app ?? name}/${source}` as GroupId
}
