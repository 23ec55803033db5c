import { createHash, randomBytes } from 'node:crypto'
import { settingWords } from '../core/plan-posture.ts'
import type { Finding } from '../core/posture.ts'
import { clockDifference, clockVerdict, type ProbeStep, type Verdict } from '../core/probe.ts'
import { count } from '../lib/count.ts'
import {
  ArchiveDamaged,
  type ErrorReport,
  ObjectExists,
  type ObjectRetained,
  TargetUnreachable,
} from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration, iso } from '../lib/time.ts'
import { configureTarget } from '../observe/world.ts'
import { sweepProbes } from './probe-sweep.ts'
import {
  expectSame,
  hashOf,
  opened,
  type Probing,
  put,
  readAll,
  smallKey,
  statOf,
} from './probing.ts'

/** Of a step that moves next to nothing. */
const BRIEF = 60_000
/** Of one that moves `LARGE` bytes there and back. */
const LONG = 5 * 60_000
/** Larger than a part of most buckets, so that it goes in parts. */
const LARGE = 9 * 1024 * 1024
/** Where the range begins. */
const OFFSET = 400

/** What a step says. `ok` unless told. */
export interface Told {
  readonly verdict?: Verdict
  readonly message: string
  readonly error?: ErrorReport
  readonly figures?: Readonly<Record<string, number>>
}

export interface Step {
  readonly step: ProbeStep
  /** The one without which it makes no sense. */
  readonly needs: ProbeStep | null
  /** In milliseconds. */
  readonly limit: number
  /** Throws what fails. */
  readonly run: (probing: Probing, signal: AbortSignal) => Promise<Told>
}

/** All steps, in the order in which they are taken. */
export const PROBE_STEPS: readonly Step[] = [
  { step: 'reach', needs: null, limit: BRIEF, run: reach },
  { step: 'sweep', needs: 'reach', limit: BRIEF, run: sweep },
  { step: 'write', needs: 'reach', limit: BRIEF, run: write },
  { step: 'read', needs: 'write', limit: BRIEF, run: readBack },
  { step: 'stat', needs: 'write', limit: BRIEF, run: look },
  { step: 'list', needs: 'write', limit: BRIEF, run: findListed },
  { step: 'range', needs: 'read', limit: BRIEF, run: readRange },
  { step: 'overwrite', needs: 'write', limit: BRIEF, run: overwrite },
  { step: 'clock', needs: 'stat', limit: BRIEF, run: compareClocks },
  { step: 'delete', needs: 'write', limit: BRIEF, run: removeSmall },
  { step: 'throughput', needs: 'delete', limit: LONG, run: measure },
  { step: 'space', needs: 'reach', limit: BRIEF, run: askSpace },
  { step: 'posture', needs: 'reach', limit: BRIEF, run: askPosture },
]

/** The first page is enough: a place that is full of archives takes long to list. */
async function reach(probing: Probing, signal: AbortSignal): Promise<Told> {
  const target = await configureTarget(probing.world, probing.declared)
  for await (const _page of target.list('', signal)) break
  probing.target = target
  return { message: 'it answers, and can be listed' }
}

async function sweep(probing: Probing, signal: AbortSignal): Promise<Told> {
  const { removed, kept } = await sweepProbes(opened(probing), probing.world.now(), signal)
  const words = [
    ...(removed > 0 ? [`removed ${count(removed, 'probe', 'probes')} of earlier tests`] : []),
    ...(kept > 0
      ? [`${count(kept, 'probe', 'probes')} of earlier tests cannot be removed yet`]
      : []),
  ]
  return { message: words.join(', ') || 'none of earlier tests' }
}

async function write(probing: Probing, signal: AbortSignal): Promise<Told> {
  const begun = probing.world.now()
  probing.written = { begun, ended: begun }
  const { bytes, readback } = await put(probing, smallKey(probing), probing.small, signal)
  probing.written.ended = probing.world.now()
  return { message: `${formatBytes(bytes)}, proven by its ${readback}` }
}

async function readBack(probing: Probing, signal: AbortSignal): Promise<Told> {
  const read = await readAll(probing, smallKey(probing), 0, signal)
  expectSame(read, probing.small, 'what was read')
  return { message: 'the same bytes came back' }
}

async function look(probing: Probing, signal: AbortSignal): Promise<Told> {
  const found = await statOf(probing, signal)
  if (found.bytes !== probing.small.length) {
    throw new ArchiveDamaged(
      `it tells of ${found.bytes} bytes where ${probing.small.length} were written`,
    )
  }
  return { message: 'it tells the size that was written' }
}

async function findListed(probing: Probing, signal: AbortSignal): Promise<Told> {
  const { folder, small } = probing
  for await (const { objects } of opened(probing).list(folder, signal)) {
    const found = objects.find(({ key }) => key === smallKey(probing))
    if (found && found.bytes === small.length) return { message: 'the list shows it' }
  }
  throw new TargetUnreachable('the list does not show what was written just now', {
    hint: 'a place whose list lags behind what it holds cannot be trusted with backups',
  })
}

async function readRange(probing: Probing, signal: AbortSignal): Promise<Told> {
  const read = await readAll(probing, smallKey(probing), OFFSET, signal)
  expectSame(read, probing.small.subarray(OFFSET), `what was read from byte ${OFFSET} on`)
  return { message: `the bytes from ${OFFSET} on came back` }
}

async function overwrite(probing: Probing, signal: AbortSignal): Promise<Told> {
  try {
    await put(probing, smallKey(probing), randomBytes(probing.small.length), signal)
  } catch (error) {
    if (error instanceof ObjectExists) return { message: 'what is there is not replaced' }
    throw error
  }
  throw new ArchiveDamaged('what is there was replaced by another write of the same key')
}

async function compareClocks(probing: Probing, signal: AbortSignal): Promise<Told> {
  const { declared, written } = probing
  const { modifiedAt } = await statOf(probing, signal)
  const { begun, ended } = written ?? { begun: modifiedAt, ended: modifiedAt }
  const clockMs = clockDifference(modifiedAt, begun, ended)
  const verdict = clockVerdict(declared.kind, clockMs)
  const side = clockMs < 0 ? 'behind' : 'ahead of'
  const words = `its clock is ${formatDuration(Math.abs(clockMs))} ${side} ours`
  if (verdict === 'failed') {
    throw new TargetUnreachable(words, { hint: 'set the clock here: timedatectl set-ntp true' })
  }
  const message = clockMs === 0 ? 'its clock is ours, within a second' : words
  return { verdict, message, figures: { clockMs } }
}

/** A lock that holds is what it is there for: no failure, but it is told what stays. */
async function removeSmall(probing: Probing, signal: AbortSignal): Promise<Told> {
  const key = smallKey(probing)
  const retained = (await opened(probing).remove([key], signal)).get(key)
  if (retained) return { message: `${retainedWords(retained)}: the probe stays` }
  if ((await opened(probing).stat(key, signal)) === null) return { message: 'it is gone' }
  throw new TargetUnreachable('it was deleted, and is still there')
}

function retainedWords({ until }: ObjectRetained): string {
  return until === null
    ? 'the key may not delete (append-only)'
    : `the lock holds: retained until ${iso(until)}`
}

async function measure(probing: Probing, signal: AbortSignal): Promise<Told> {
  const key = `${probing.folder}large`
  // Nothing large is left where nothing can be taken back.
  if ((await opened(probing).stat(smallKey(probing), signal)) !== null) {
    const message = `not tried: ${formatBytes(LARGE)} that cannot be deleted would stay`
    return { verdict: 'skipped', message }
  }
  const content = randomBytes(LARGE)
  const begun = performance.now()
  const { readback } = await put(probing, key, content, signal)
  const between = performance.now()
  const read = await hashOf(await opened(probing).get(key, 0, signal))
  const ended = performance.now()
  if (read !== createHash('sha256').update(content).digest('hex')) {
    throw new ArchiveDamaged('other bytes came back than were written')
  }
  const bytesUp = rate(between - begun)
  const bytesDown = rate(ended - between)
  const retained = (await opened(probing).remove([key], signal)).get(key)
  const stays = retained ? `; ${retainedWords(retained)}: it stays` : ''
  return {
    message: `${formatBytes(LARGE)}: up ${formatBytes(bytesUp)}/s, down ${formatBytes(bytesDown)}/s, proven by its ${readback}${stays}`,
    figures: { bytesUp, bytesDown },
  }
}

async function askSpace(probing: Probing, signal: AbortSignal): Promise<Told> {
  const freeBytes = await opened(probing).free(signal)
  if (freeBytes === null) return { verdict: 'skipped', message: 'the place does not tell' }
  const message = `${formatBytes(freeBytes)} free`
  return { verdict: freeBytes < LARGE ? 'warn' : 'ok', message, figures: { freeBytes } }
}

async function askPosture(probing: Probing, signal: AbortSignal): Promise<Told> {
  const { posture } = opened(probing)
  if (posture === null) return { verdict: 'skipped', message: 'nothing is expected of it' }
  const findings = await posture.observe(signal)
  const differing = findings.filter(({ met }) => !met)
  if (differing.length === 0)
    return { message: `as expected: ${findings.map(metWords).join(', ')}` }
  return { verdict: 'warn', message: differing.map(unmetWords).join('; ') }
}

function metWords({ setting, found }: Finding): string {
  return `${settingWords(setting)} ${found}`
}

function unmetWords({ setting, expected, found, why, hint }: Finding): string {
  const is = found === null ? `could not be asked (${why})` : `is ${found}`
  return `${settingWords(setting)} ${is}, expected: ${expected}${hint === null ? '' : ` (${hint})`}`
}

function rate(millis: number): number {
  return Math.round(LARGE / (Math.max(1, millis) / 1000))
}
