import { verifyAndTell } from '../act/verify-and-tell.ts'
import { chooseBackups } from '../core/choose.ts'
import type { Copy, JobId } from '../core/model.ts'
import type { History } from '../core/observed.ts'
import { knownJobs, parseReference } from '../core/reference.ts'
import { holdPatiently } from '../leases/lease.ts'
import { ArchiveDamaged, exitCodeOf, LeaseBusy, Refused, reportOf } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { Context, GlobalFlags } from './context.ts'
import { openForWork } from './opened.ts'
import { PATIENCE } from './patience.ts'

export interface VerifyFlags {
  readonly all?: boolean
  /** A run's name. */
  readonly name?: string
}

interface Wanted {
  readonly copy: Copy
  readonly job: JobId
}

/** `backup verify [ref|--name|--all]`: re-reads archives from their targets to their end. 14 when one is damaged. */
export async function verify(
  words: readonly string[],
  flags: VerifyFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await openForWork(flags, context)
  const { world } = opened
  const history = await world.store.history({ depth: 'full', jobs: null })
  const wanted = wantedCopies(words, flags, history, world)
  const results: { readonly wanted: Wanted; readonly error: unknown }[] = []
  for (const one of wanted) {
    results.push({ wanted: one, error: await verifyOne(one, world, context.interrupted) })
    context.interrupted.throwIfAborted()
  }
  if (flags.json) context.out(JSON.stringify({ verified: results.map(row) }, null, 2))
  else context.out(summary(results.filter(({ error }) => error === null).length, results.length))
  const failures = results.flatMap(({ error }) => (error === null ? [] : [error]))
  const worst = failures.find((error) => error instanceof ArchiveDamaged) ?? failures[0]
  return worst === undefined ? 0 : exitCodeOf(worst)
}

function wantedCopies(
  words: readonly string[],
  flags: VerifyFlags,
  history: History,
  world: World,
): readonly Wanted[] {
  const known = knownJobs(world.desired.jobs, history)
  const targets = new Set(world.desired.targets.map(({ id }) => id))
  const complete = history.copies.filter(
    ({ status, target }) => status === 'complete' && targets.has(target),
  )
  const backups = new Map(history.backups.map((one) => [one.id, one]))
  const all = complete.flatMap((copy) => {
    const backup = backups.get(copy.backup)
    return backup ? [{ copy, job: backup.job, runName: backup.runName }] : []
  })
  if (flags.all) return all
  if (flags.name !== undefined) {
    const named = all.filter(({ runName }) => runName === flags.name)
    if (named.length > 0) return named
    throw new Refused(`no run is called ${flags.name}`, {
      hint: 'look at the names with: holdfast backup list',
    })
  }
  const [word] = words
  if (word === undefined)
    throw new Refused('say what to verify', {
      hint: 'holdfast backup verify --all, or a reference: job/source@latest',
    })
  const reference = parseReference(word, known)
  return chooseBackups(unjudged(history), reference).flatMap(({ backup }) =>
    all.flatMap(({ copy, job }) => (copy.backup === backup.id ? [{ copy, job }] : [])),
  )
}

/** A verdict can be mended, so that what failed its verify once is read again when asked for. */
function unjudged(history: History): History {
  return {
    ...history,
    copies: history.copies.map((copy): Copy => ({ ...copy, verify: 'never' })),
  }
}

/** Null for a sound archive, else why not. */
async function verifyOne(
  { copy, job }: Wanted,
  world: World,
  signal: AbortSignal,
): Promise<unknown> {
  const asked = { leases: world.leases, patience: PATIENCE }
  try {
    const turn = await holdPatiently(asked, `job:${job}`, signal, (_lease, held) =>
      verifyAndTell({ copy, subject: job }, world, held),
    )
    return turn.kind === 'busy' ? new LeaseBusy(`job ${job}`, turn.holder) : null
  } catch (error) {
    signal.throwIfAborted()
    return error
  }
}

function row({
  wanted: { copy, job },
  error,
}: {
  readonly wanted: Wanted
  readonly error: unknown
}) {
  return {
    job,
    target: copy.target,
    storagePath: copy.key,
    backup: copy.backup,
    ok: error === null,
    error: error === null ? null : reportOf(error),
  }
}

function summary(sound: number, all: number): string {
  if (all === 0) return 'there is no copy to verify'
  return sound === all
    ? `${all === 1 ? 'the copy is' : `all ${all} copies are`} sound`
    : `${sound} of ${all} copies are sound`
}
