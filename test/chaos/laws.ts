import type { Attempt, Evidence } from './evidence.ts'

/** Of a lease, in milliseconds; also how soon after its end others must have taken over. */
const LEASE = 30_000
/** Leases are renewed this often: one held at some moment lasts for at least the rest of its time. */
const RENEWED = 10_000

/** What one deployment came to. */
export interface Findings {
  readonly slots: number
  readonly attempts: number
  /** Slots that a later one of their job stands for, with failed attempts or without any. */
  readonly passedOver: number
  readonly doubled: number
  readonly lost: number
  /** In milliseconds. */
  readonly longestTakeover: number
  readonly longestOverlap: number
  readonly takeovers: number
  /** Each law that broke, with what broke it. */
  readonly broken: readonly string[]
}

/** Holds the evidence against every law. Pure. */
export function judge(evidence: Evidence): Findings {
  const doubled = doubledIn(evidence)
  const { lost, passedOver } = missingIn(evidence)
  const takeovers = takeoversIn(evidence)
  const overlap = longestOverlap(evidence)
  return {
    slots: evidence.jobs.flatMap(({ slots }) => slots).length,
    attempts: evidence.attempts.length,
    passedOver,
    doubled: doubled.length,
    lost: lost.length,
    takeovers: takeovers.length,
    longestTakeover: Math.max(0, ...takeovers),
    longestOverlap: overlap,
    broken: [
      ...named('a slot succeeded twice', doubled),
      ...named('a slot is lost', lost),
      ...named('a success is none', falseSuccesses(evidence)),
      ...named('an archive is in no success', unrecorded(evidence)),
      ...named('something is left', evidence.disorder),
      ...named('fences do not grow', falseFences(evidence)),
      ...named('a drain lost something', badDrains(evidence)),
      ...named('nobody took over', abandonedForGood(evidence)),
      ...(overlap > LEASE ? [`two attempts of a job overlap by ${overlap} ms`] : []),
      ...takeovers.filter((one) => one > LEASE).map((one) => `a takeover took ${one} ms`),
    ],
  }
}

function named(law: string, details: readonly string[]): readonly string[] {
  return details.map((detail) => `${law}: ${detail}`)
}

function isSuccess({ status }: Attempt): boolean {
  return status === 'success'
}

/** By the history, and by what lies on the target. */
function doubledIn({ attempts, archives }: Evidence): readonly string[] {
  const twice = (all: readonly { readonly job: string; readonly slot: number | null }[]) =>
    [...Map.groupBy(all, ({ job, slot }) => `${job} ${slot}`)]
      .filter(([, same]) => same.length > 1)
      .map(([name, same]) => `${name}, ${same.length} times`)
  return [...new Set([...twice(attempts.filter(isSuccess)), ...twice(archives)])]
}

/** A slot without success is not lost where the history tells why: it was skipped, or a later one took its place. */
function missingIn({ jobs, attempts }: Evidence) {
  const bySlot = Map.groupBy(attempts, ({ job, slot }) => `${job} ${slot}`)
  const at = (job: string, slot: number) => bySlot.get(`${job} ${slot}`) ?? []
  const lost: string[] = []
  let passedOver = 0
  for (const { id, slots } of jobs) {
    for (const slot of slots) {
      const tries = at(id, slot)
      if (tries.some(isSuccess)) continue
      const isLate = slots.some((other) => other > slot && at(id, other).some(isSuccess))
      if (isLate || tries.some(({ status }) => status === 'skipped')) passedOver++
      else lost.push(`${id} ${slot}: ${tries.map(({ status, error }) => `${status} ${error}`)}`)
    }
  }
  return { lost, passedOver }
}

/** Each success has one whole archive, whose content the source itself tells of. */
function falseSuccesses({ attempts, archives, copies, counted }: Evidence): readonly string[] {
  const archiveOf = new Map(archives.map((one) => [one.backup, one]))
  const copyOf = new Map(copies.map((one) => [one.backup, one]))
  const whole = new Map(counted.filter(({ isWhole }) => isWhole).map((one) => [one.id, one.job]))
  return attempts.filter(isSuccess).flatMap(({ id, job, slot }) => {
    const archive = archiveOf.get(id)
    const copy = copyOf.get(id)
    const wrong =
      archive === undefined
        ? 'has no archive'
        : copy?.status !== 'complete'
          ? `has a copy that is ${copy?.status}`
          : copy.sha256 !== archive.sha256 || copy.bytes !== archive.bytes
            ? `has an archive of ${archive.bytes} bytes, not ${copy.bytes}`
            : whole.get(archive.id ?? '') !== job
              ? `holds ${archive.id}, which the source did not end`
              : archive.job !== job || archive.slot !== slot
                ? `has a manifest of ${archive.job} ${archive.slot}`
                : null
    return wrong === null ? [] : [`${job} ${slot} (${id}) ${wrong}`]
  })
}

function unrecorded({ attempts, archives }: Evidence): readonly string[] {
  const good = new Set(attempts.filter(isSuccess).map(({ id }) => id))
  return archives.filter(({ backup }) => !good.has(backup)).map(({ key }) => key)
}

/** Of the successes of a job, each later one has the greater number. */
/** Whoever takes a job over has a newer number. One instance may end two slots under one lease. */
function falseFences({ attempts }: Evidence): readonly string[] {
  const byJob = Map.groupBy(attempts.filter(isSuccess), ({ job }) => job)
  return [...byJob].flatMap(([job, all]) => {
    const inTime = all.toSorted((one, other) => one.started_at - other.started_at)
    const grow = inTime.every(({ fence, instance }, index) => {
      const before = inTime[index - 1]
      if (!before || fence > before.fence) return true
      return fence === before.fence && instance === before.instance
    })
    return grow ? [] : [`${job}: ${inTime.map(({ fence }) => fence)}`]
  })
}

/**
 * What a drained instance ran came to a good end, and so did its process; but for what it had to
 * give up because the database was away.
 */
function badDrains({ drains, attempts, deaths, outages }: Evidence): readonly string[] {
  const wasAway = ({ started_at, finished_at }: Attempt) =>
    outages.some(({ from, to }) => started_at < to && (finished_at ?? to) > from)
  const elsewhere = new Set(deaths.flatMap(({ open }) => open.map(({ id }) => id)))
  return drains.flatMap(({ name, instance, from, code }) => [
    ...(code === 0 ? [] : [`${name} ended with ${code}`]),
    ...attempts
      .filter((one) => one.instance === instance && one.status === 'failed')
      .filter((one) => !elsewhere.has(one.id) && !wasAway(one))
      .filter(({ finished_at }) => (finished_at ?? 0) >= from)
      .map(({ job, slot, error }) => `${job} ${slot} of ${name}: ${error}`),
  ])
}

/**
 * From the end of each lease of a dead instance until others settled what it had under way. They
 * cannot before the database is there, which knows of the lease.
 */
function takeoversIn({ deaths, ends, outages }: Evidence): readonly number[] {
  return deaths.flatMap(({ at, leases, open }) =>
    open.flatMap(({ id, job }) => {
      const end = ends.find(({ backup }) => backup === id)
      if (!end) return []
      const lease = leases.find(({ name }) => name === `job:${job}`)
      const over = lease?.until ?? at + LEASE - RENEWED
      const backs = outages.filter(({ to }) => to > over && to < end.at).map(({ to }) => to)
      return Math.max(0, end.at - Math.max(over, ...backs))
    }),
  )
}

/** What a dead instance had under way, and what is open still. */
function abandonedForGood({ deaths, attempts }: Evidence): readonly string[] {
  const open = new Set(
    attempts
      .filter(({ status }) => status === 'running' || status === 'pending')
      .map((one) => one.id),
  )
  return deaths.flatMap((death) =>
    death.open.filter(({ id }) => open.has(id)).map(({ id, job }) => `${job} (${id})`),
  )
}

/** A job never runs twice at once, whatever slots it is at. By the source's own words. */
function longestOverlap({ counted }: Evidence): number {
  let longest = 0
  for (const all of Map.groupBy(counted, ({ job }) => job).values()) {
    for (const one of all) {
      for (const other of all) {
        if (one === other) continue
        longest = Math.max(longest, Math.min(one.to, other.to) - Math.max(one.from, other.from))
      }
    }
  }
  return longest
}
