import type { JobId } from '../core/model.ts'
import type { Control } from '../daemon/control.ts'
import { createPausing } from '../daemon/controls.ts'
import { Refused } from '../lib/errors.ts'
import { askDaemon, unreachable } from './ask-daemon.ts'
import { authorOf } from './author.ts'
import type { Context, GlobalFlags } from './context.ts'
import { open } from './opened.ts'
import { dataDirOf } from './system.ts'

interface PauseFlags extends GlobalFlags {
  readonly all?: boolean
  readonly reason: string
  readonly author?: string
}

type Subject = JobId | '*'

/** `job pause`: the jobs take no slots until they are resumed; whoever asks why is told. */
export async function jobPause(
  words: readonly string[],
  flags: PauseFlags,
  context: Context,
): Promise<number> {
  const subjects = subjectsOf(words, flags)
  const { reason } = flags
  const author = authorOf(flags, context)
  await tellEach(subjects, flags, context, {
    verb: 'pause',
    body: { reason, author },
    directly: (control, subject) => control.pause(subject, reason, author),
  })
  const paused = { reason, author }
  say(subjects, flags, context, { json: { paused: subjects, ...paused }, words: 'paused' })
  return 0
}

/** `job resume`: they take slots again; what was missed meanwhile is caught up as one. */
export async function jobResume(
  words: readonly string[],
  flags: Omit<PauseFlags, 'reason'>,
  context: Context,
): Promise<number> {
  const subjects = subjectsOf(words, flags)
  await tellEach(subjects, flags, context, {
    verb: 'resume',
    body: {},
    directly: (control, subject) => control.resume(subject),
  })
  say(subjects, flags, context, { json: { resumed: subjects }, words: 'resumed' })
  return 0
}

function subjectsOf(
  words: readonly string[],
  { all = false }: { all?: boolean },
): readonly Subject[] {
  if (all && words.length > 0) throw new Refused('name jobs or --all, not both')
  if (!all && words.length === 0) throw new Refused('name a job, or --all')
  return all ? ['*'] : (words as readonly JobId[])
}

interface Telling {
  readonly verb: 'pause' | 'resume'
  readonly body: Readonly<Record<string, unknown>>
  /** Where no daemon runs, the state is written here. */
  readonly directly: (
    control: Pick<Control, 'pause' | 'resume'>,
    subject: Subject,
  ) => Promise<unknown>
}

async function tellEach(
  subjects: readonly Subject[],
  flags: GlobalFlags,
  context: Context,
  { verb, body, directly }: Telling,
): Promise<void> {
  for (const subject of subjects) {
    const place = subject === '*' ? '' : `/jobs/${encodeURIComponent(subject)}`
    const question = { path: `/api/v1${place}/${verb}`, body }
    const reply = await askDaemon(question, dataDirOf(flags, context), context)
    if (reply.kind === 'answered') continue
    // An address was named, and what is meant is what runs there.
    if (context.env.HOLDFAST_URL) throw unreachable(reply)
    await using opened = await open(flags, context)
    await directly(
      createPausing(() => opened.world),
      subject,
    )
  }
}

interface Said {
  readonly json: Readonly<Record<string, unknown>>
  readonly words: string
}

function say(
  subjects: readonly Subject[],
  flags: GlobalFlags,
  context: Context,
  { json, words }: Said,
): void {
  const named = subjects.map((one) => (one === '*' ? 'everything' : one)).join(', ')
  context.out(flags.json ? JSON.stringify(json) : `${words}: ${named}`)
}
