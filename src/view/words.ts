import type { Action, Change, DebrisAction } from '../core/action.ts'
import type { AutoEnd } from '../core/auto-made.ts'
import type { Copy, Facts, Instant } from '../core/model.ts'
import { settingWords } from '../core/plan-posture.ts'
import { MISSED_LIMIT } from '../core/schedule.ts'
import { count } from '../lib/count.ts'
import { formatBytes } from '../lib/size.ts'
import { formatDuration, iso } from '../lib/time.ts'
import { unreachable } from '../lib/unreachable.ts'

/** What a step does: `back up files, db of job shop`. */
export function actionWords(action: Action): string {
  const say: (action: never) => string = ACTIONS[action.kind]
  return say(action as never)
}

/** Why a step is taken, as a sentence without its subject. */
export function becauseWords({ because }: Action): string {
  const say: (because: never) => string = REASONS[because.rule]
  return say(because as never)
}

type Of<K extends Action['kind']> = Extract<Action, { readonly kind: K }>
type Reason = Action['because']
type By<R extends Reason['rule']> = Extract<Reason, { readonly rule: R }>

const ACTIONS: { readonly [K in Action['kind']]: (action: Of<K>) => string } = {
  restore: ({ subject }) => `restore ${subject}, and nothing else before it is done`,
  'target.create': ({ subject }) => `add target ${subject}`,
  'target.update': ({ subject }) => `change target ${subject}`,
  'target.remove': ({ subject }) => `forget target ${subject}`,
  posture: ({ subject, settable, because: { setting, expected } }) =>
    settable
      ? `set ${settingWords(setting)} of target ${subject} to: ${expected}`
      : `leave ${settingWords(setting)} of target ${subject}, which is not ours to set`,
  'job.create': ({ subject }) => `add job ${subject}`,
  'job.update': ({ subject, because }) =>
    because.rule === 'renamed'
      ? `rename job ${because.from} to ${subject}`
      : `change job ${subject}`,
  'job.remove': ({ subject }) => `forget job ${subject}`,
  backup: ({ subject, sources }) => `back up ${sources.join(', ')} of job ${subject}`,
  skip: ({ subject, slot }) => `skip the slot of ${when(slot)} of job ${subject}`,
  abandon: ({ subject, backup }) => `give up backup ${backup} of job ${subject}`,
  adopt: ({ subject, key }) => `adopt ${key} on ${subject}`,
  missing: ({ subject, copy }) => `mark ${copy.key} on ${subject} as missing`,
  debris: (action) => `remove ${debrisWords(action)} from ${action.subject}`,
  copy: ({ from, target }) => `copy ${from.key} from ${from.target} to ${target}`,
  verify: ({ copy }) => `verify ${copy.key} on ${copy.target}`,
  prune: ({ drop, group, target }) => `delete ${amount(drop)} of ${group} on ${target}`,
  'prune-blocked': ({ would, group, target }) =>
    `keep ${amount(would)} of ${group} on ${target} that would be deleted`,
  release: ({ subject, restore }) =>
    `let go of what was kept from before restore ${restore.id} of job ${subject}`,
}

const REASONS: { readonly [R in Reason['rule']]: (because: By<R>) => string } = {
  'restore-requested': ({ variable }) => `${variable} asks for it`,
  declared: (because) => {
    const slot = 'nextSlot' in because ? `; ${slotWords(because.nextSlot)}` : ''
    return `the file declares it${factsWords(because.facts)}${slot}`
  },
  'auto-created': ({ app, facts, nextSlot }) =>
    `app ${app} keeps data and has no job${factsWords(facts)}; ${slotWords(nextSlot)}`,
  'auto-ended': ({ app, end, copies }) => `${endWords(app, end)}; ${staying(copies)}`,
  changed: ({ changes }) =>
    changes.length > 0
      ? changes.map(changeWords).join('; ')
      : 'something that is not shown is declared differently',
  expected: ({ setting, expected, found }) =>
    `${settingWords(setting)} is ${found}, and the file expects: ${expected}`,
  renamed: ({ from }) => `the file says so; the history of ${from} goes on`,
  'not-declared': ({ copies }) => `the file no longer names it; ${staying(copies)}`,
  'slot-due': ({ slot }) => `the slot of ${when(slot)} is due`,
  'missed-slots': ({ slot, missed }) =>
    `the slot of ${when(slot)} is due, and ${missedWords(missed)} before it`,
  retry: ({ attempt, of, slot, error }) =>
    `attempt ${attempt} of ${of} for the slot of ${when(slot)}: ${error}`,
  'first-run': () => 'the job is new and wants its first run now',
  'after-restore': ({ restore }) => `what restore ${restore} put back has no backup yet`,
  requested: ({ by }) => `asked for by ${by}`,
  'still-running': ({ since }) => `the job still runs since ${when(since)}`,
  'no-target': ({ why }) => why,
  'taken-by-vardo': () => 'a Vardo on the same Redis has fired the slot',
  'owner-gone': ({ instance }) =>
    `its instance ${instance} is gone, and no manifest proves it complete`,
  'manifest-found': () => 'its manifest is ours, and the history does not know it',
  'proven-complete': ({ backup }) => `its manifest proves backup ${backup} complete`,
  'copy-found': ({ backup }) =>
    `it is a good copy of backup ${backup}, which the history does not count`,
  'archive-gone': () => 'its archive is not on the target',
  'manifest-gone': () => 'its manifest is not on the target',
  'size-differs': ({ listed, expected }) =>
    `its archive has ${listed} bytes, and ${expected} were written`,
  'copy-lost': ({ status }) => `its copy there is ${status}`,
  'copy-lagging': () => 'the newest backup was never written there',
  'attempt-over': ({ status }) => `the attempt that began it is over: ${status}`,
  'never-verified': () => 'no copy of its group there was ever verified',
  'verified-long-ago': ({ verifiedAt }) =>
    `the newest verify of its group there was at ${when(verifiedAt)}`,
  'outside-retention': ({ kept, policy }) => `retention keeps ${kept}: ${policy}`,
  'older-than': ({ before }) => `taken before ${when(before)}`,
  'too-many': ({ share, limit }) =>
    `that is ${percent(share)} of them, and one pass may delete ${percent(limit)}`,
  'newest-attempt-failed': ({ backup }) => `the newest attempt, ${backup}, failed`,
  shrunk: ({ bytes, median }) =>
    `the newest archive has ${formatBytes(bytes)} where ${formatBytes(median)} is usual`,
  'clock-skew': ({ place, by }) =>
    `the clock of this machine is ${formatDuration(Math.abs(by))} ${by > 0 ? 'ahead of' : 'behind'} that of ${place}`,
  'baseline-complete': ({ backup }) => `backup ${backup} was made after it`,
  'restore-failed': () => 'it failed and replaced nothing',
}

/** An instant as logs and manifests write it, without milliseconds that are none. */
export function when(at: Instant): string {
  return iso(at).replace('.000Z', 'Z')
}

/** `3 copies (1.2 GiB)`. */
export function amount(copies: readonly Copy[]): string {
  const bytes = copies.reduce((sum, copy) => sum + (copy.bytes ?? 0), 0)
  return `${count(copies.length, 'copy', 'copies')} (${formatBytes(bytes)})`
}

/** `path: /a → /b`. */
export function changeWords({ key, from, to }: Change): string {
  return `${key}: ${from ?? '(not set)'} → ${to ?? '(not set)'}`
}

function debrisWords({ object }: DebrisAction): string {
  return object.kind === 'unfinished'
    ? `the unfinished ${object.unfinished.key} (${formatBytes(object.unfinished.bytes)})`
    : `${object.key} (${formatBytes(object.bytes)}), which never got its manifest,`
}

function endWords(app: string, end: AutoEnd): string {
  switch (end.why) {
    case 'replaced':
      return `job ${end.by} of the file is about app ${app} now`
    case 'ignored':
      return `the file leaves app ${app} alone: ${end.reason}`
    case 'excepted':
      return `auto.except of the file names app ${app}`
    default:
      return unreachable(end)
  }
}

function slotWords(next: Instant | null): string {
  return next === null ? 'it has no slot of its own' : `its first slot is ${when(next)}`
}

function factsWords(facts: Facts): string {
  const words = Object.entries(facts).map(([key, value]) => `${key} ${value}`)
  return words.length > 0 ? `: ${words.sort().join(', ')}` : ''
}

function staying(copies: number): string {
  if (copies === 0) return 'no copy of it is known'
  const verb = copies === 1 ? 'stays' : 'stay'
  return `${count(copies, 'copy', 'copies')} ${verb} where they are, and are not pruned any more`
}

function missedWords(missed: number): string {
  if (missed >= MISSED_LIMIT) return `${MISSED_LIMIT} or more were missed`
  return missed === 1 ? '1 was missed' : `${missed} were missed`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
