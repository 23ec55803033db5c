import type { FoundVolume } from './apps.ts'
import type { Covering, Subject } from './coverage.ts'
import { coveringJob } from './job-volumes.ts'
import type { DesiredJob } from './model.ts'

/** What lines are written for. */
export interface Lacking {
  /** A job that takes it, and does not protect. */
  readonly weak: { readonly job: DesiredJob; readonly takesAll: boolean } | undefined
  /** Null: a database on no volume. */
  readonly volume: FoundVolume | null
  readonly desired: Covering
}

/** The lines of the config that would protect it; they say what to add, not what is there already. */
export function linesFor(subject: Subject, { weak, volume, desired }: Lacking): readonly string[] {
  if (weak !== undefined) return ofWeak(weak, subject)
  const { kind, name, app, logical, strategy } = subject
  const called = app ?? logical
  if (kind === 'bind' && strategy === 'tar') {
    return ownJob(
      `${called}-files`,
      ['sources:', `  - { type: directory, path: ${yaml(name)} }`],
      desired,
    )
  }
  if (volume === null || (kind === 'bind' && volume.strategy.kind === 'dump')) {
    const container = volume?.strategy.kind === 'dump' ? volume.strategy.container : name
    const source = `  - { type: ${strategy}, container: ${yaml(container)} }`
    return ownJob(`${called}-db`, ['sources:', source], desired)
  }
  if (volume.twinOf !== undefined) {
    const source = `  - { type: volume, volume: ${yaml(name)} }`
    return ownJob(`${called}-more`, ['sources:', source], desired)
  }
  const declared = coveringJob(
    { app: called, organization: organizationOf(called, desired), name: called, volumes: [] },
    null,
    desired,
  )
  if (declared !== null) {
    return inJob(declared, [
      'sources:',
      `  - { type: volume, app: ${yaml(called)}, volume: ${yaml(logical)} }`,
    ])
  }
  if (volume.persistent.is === 'yes' || desired.auto === null || hasNoTarget(desired)) {
    return ownJob(called, [`apps: [${yaml(called)}]`], desired, volume)
  }
  return appLines(called, logical)
}

function ofWeak(
  { job, takesAll }: NonNullable<Lacking['weak']>,
  { strategy }: Subject,
): readonly string[] {
  if (!job.enabled) return inJob(job.id, ['enabled: true'])
  if (job.targets.length === 0) return TARGET
  if (!takesAll) {
    return inJob(job.id, [
      'sources:',
      `  - { type: ${strategy}, databases: all }   # not some of them`,
    ])
  }
  return inJob(job.id, [`on: []   # or an instance that sees it beside ${job.on.join(', ')}`])
}

const TARGET = ['targets:', '  offsite: { type: s3, bucket: BUCKET, region: REGION }']

function ownJob(
  name: string,
  sources: readonly string[],
  desired: Covering,
  volume: FoundVolume | null = null,
): readonly string[] {
  const app = volume !== null && volume.persistent.is !== 'yes' ? appLines(name, volume.name) : []
  const job = ['jobs:', `  ${yaml(name)}:`, '    schedule: "0 2 * * *"']
  const taken = sources.map((line) => `    ${line}`)
  return [...(hasNoTarget(desired) ? TARGET : []), ...app, ...job, ...taken]
}

function inJob(id: string, lines: readonly string[]): readonly string[] {
  const [organization, name] = id.includes('/') ? id.split('/') : [null, id]
  const job = ['jobs:', `  ${yaml(name ?? id)}:`, ...lines.map((one) => `    ${one}`)]
  if (organization === null || organization === undefined) return job
  return ['organizations:', `  ${yaml(organization)}:`, ...job.map((one) => `    ${one}`)]
}

function appLines(app: string, volume: string): readonly string[] {
  return ['apps:', `  ${yaml(app)}:`, '    volumes:', `      ${yaml(volume)}: true`]
}

function organizationOf(app: string, { apps }: Covering): string | null {
  return apps.find(({ name }) => name === app)?.organization ?? null
}

function hasNoTarget({ targets }: Covering): boolean {
  return targets.length === 0
}

/** A text as YAML has it: plain where it stays what it is. */
export function yaml(text: string): string {
  const isPlain =
    /^[A-Za-z_/][A-Za-z0-9_./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off)$/i.test(text)
  return isPlain ? text : JSON.stringify(text)
}
