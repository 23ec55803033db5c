import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { livingSources } from '../core/members.ts'
import type { Desired, DesiredJob, DesiredSource, TargetId } from '../core/model.ts'
import type { History, Warning } from '../core/observed.ts'
import { mayRun } from '../core/placement.ts'
import { reportOf } from '../lib/errors.ts'
import { programsOnPath } from '../platform/program.ts'
import { unopenable } from './unopenable.ts'
import { openSource, type World } from './world.ts'

/** What this machine has to say about the config, beside what plan can tell by itself. */
export async function observeWarnings(world: World, history: History): Promise<readonly Warning[]> {
  const { desired } = world
  return [
    ...(await missingPrograms(desired)),
    ...(await sharedDevices(desired)),
    ...(await unopenable(desired, history)),
    ...(await troubleOfSources(world)),
  ]
}

/** How long a source may look for trouble: plan must not wait for a server that hangs. */
const LOOK_LIMIT = 20_000

/** What sources find that would fail their next backup; of many on one server only the first is asked. */
async function troubleOfSources(world: World): Promise<readonly Warning[]> {
  const asked = new Set<unknown>()
  const self = world.fleet?.self()
  const places = world.desired.jobs.flatMap((job) =>
    self && !mayRun(job, self) ? [] : livingSources(job).map((source) => ({ job, source })),
  )
  const first = places.filter(({ job, source: { kind, options } }) => {
    const server = options.url ?? options.container ?? `${job.id} ${kind} ${options.path ?? ''}`
    return !asked.has(server) && asked.add(server)
  })
  const found = await Promise.all(first.map(({ job, source }) => troubleOf(job, source, world)))
  return found.flat()
}

async function troubleOf(
  job: DesiredJob,
  source: DesiredSource,
  world: World,
): Promise<readonly Warning[]> {
  if (!world.plugins.sources.has(source.kind)) return []
  const subject = `${job.id}/${source.name}`
  try {
    const opened = await openSource(world, job, source)
    const findings = (await opened.inspect?.(AbortSignal.timeout(LOOK_LIMIT))) ?? []
    return findings.map((one) => ({ ...one, subject }))
  } catch (error) {
    const { message, hint } = reportOf(error)
    return [{ rule: 'source-unreachable', subject, message, hint }]
  }
}

async function missingPrograms(desired: Desired): Promise<readonly Warning[]> {
  const kinds = new Set(desired.jobs.map(({ compression }) => compression.kind))
  const wanted = [...(kinds.has('zstd') ? ['zstd'] : []), ...(kinds.has('gzip') ? ['gzip'] : [])]
  const there = await programsOnPath(wanted)
  return wanted
    .filter((name) => !there.has(name))
    .map((name) => ({
      rule: 'program-missing',
      subject: name,
      message: `${name} is not on PATH: archives are compressed in-process, which is about twice as slow`,
      hint: `apt-get install ${name}`,
    }))
}

/** A local target on its source's device dies with it. */
async function sharedDevices(desired: Desired): Promise<readonly Warning[]> {
  const warnings: Warning[] = []
  for (const job of desired.jobs) {
    for (const { target: id } of job.targets) {
      const target = desired.targets.find((one) => one.id === id)
      const device = await deviceOf(target?.kind === 'local' ? target.options.path : null)
      if (device === null) continue
      for (const source of job.sources) {
        const { path, data_dir } = source.options
        if ((await deviceOf(path ?? data_dir)) !== device) continue
        warnings.push({
          rule: 'same-device',
          subject: `${job.id}/${source.name}`,
          message: `target ${id} is on the same device as its source: one failed disk takes both`,
          hint: hintFor(job, id),
        })
      }
    }
  }
  return warnings
}

function hintFor({ targets }: DesiredJob, id: TargetId): string {
  const others = targets.map(({ target }) => target).filter((other) => other !== id)
  return others.length === 0
    ? 'add a target on another machine to the job'
    : `see that ${others.join(', ')} does not share it as well: what is there is left then`
}

/** Device of the path, or of its nearest parent that is there; null for what is no path. */
async function deviceOf(path: unknown): Promise<number | null> {
  if (typeof path !== 'string') return null
  try {
    return (await stat(path)).dev
  } catch {
    return path === dirname(path) ? null : await deviceOf(dirname(path))
  }
}
