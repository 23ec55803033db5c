import type { SkipAction } from '../core/action.ts'
import type { Backup, Copy, DesiredJob, JobId, Occasion, Run } from '../core/model.ts'
import { messageOf, reportOf } from '../lib/errors.ts'
import { iso } from '../lib/time.ts'
import { announceRun as announceOutcome, enqueue } from '../notify/announce.ts'
import { decideOther, decideStart, type Subscriber } from '../notify/decide.ts'
import { CHANNEL_KINDS, openChannels, subscribersOf } from '../notify/index.ts'
import type { OtherNotification } from '../notify/notification.ts'
import { deliver } from '../notify/outbox.ts'
import type { World } from '../observe/world.ts'

/** A run as it stands, for those who are to hear of it. */
export interface RunNews {
  readonly run: Run
  readonly backups: readonly Backup[]
  readonly copies: readonly Copy[]
  readonly skip: SkipAction['because'] | null
}

/** Tells heartbeats that a run began. Never throws: a backup does not fail for want of a listener. */
export async function announceStart(run: Run, world: World): Promise<void> {
  await quietly(world, run.job, async (job, subscribers) => {
    const news = { ...wordsOf(job, world), run, backups: [], copies: [], skip: null }
    await enqueue(world.store, decideStart(news, subscribers), world.now())
  })
}

/** Tells those who asked how a run ended; durable once it resolves. Never throws. */
export async function announceRun(news: RunNews, world: World): Promise<void> {
  await quietly(world, news.run.job, async (job, subscribers) => {
    await announceOutcome(
      world.store,
      { ...wordsOf(job, world), ...news },
      subscribers,
      world.now(),
    )
  })
}

/** What happened to an archive or a restore, beside its job. */
export type OtherNews = Pick<
  OtherNotification,
  'type' | 'title' | 'message' | 'source' | 'target' | 'backupId' | 'key' | 'error'
>

/** Tells those who hear of `occasion`. Never throws. */
export async function announceOther(
  occasion: Occasion,
  jobId: JobId,
  news: OtherNews,
  world: World,
): Promise<void> {
  await quietly(world, jobId, async (job, subscribers) => {
    const notification = {
      ...news,
      deployment: world.desired.deployment,
      organization: job.organization,
      jobId: job.id,
      jobName: job.title,
      timestamp: iso(world.now()),
    }
    await enqueue(world.store, decideOther(occasion, notification, subscribers), world.now())
  })
}

/** Sends what waits in the outbox and is due; what fails waits for its next try. */
export async function deliverNotifications(world: World, signal: AbortSignal): Promise<void> {
  const channels = await openChannels(world.desired.channels, CHANNEL_KINDS)
  for (const delivery of await deliver(world.store, channels, world.now, signal)) {
    if (delivery.kind === 'elsewhere') continue
    const { channel, attempts, type } = delivery
    const detail = { channel, attempts }
    if (delivery.kind === 'sent') {
      const message = `told ${channel} of ${type}`
      world.report({ event: 'notify.done', level: 'debug', message, detail })
      continue
    }
    const then = delivery.kind === 'failed' ? `tried again at ${iso(delivery.nextAt)}` : 'given up'
    world.report({
      event: 'notify.failed',
      level: delivery.kind === 'failed' ? 'warn' : 'error',
      message: `could not tell ${channel} of ${type}: ${delivery.error}; ${then}`,
      detail,
    })
  }
}

/** Notifications of the last moments get this long; what is not delivered waits in the outbox. */
const FAREWELL = 5_000

/** Sends what can be sent before this process ends. Never throws. */
export async function sayFarewell(world: World): Promise<void> {
  await deliverNotifications(world, AbortSignal.timeout(FAREWELL)).catch(() => {})
}

function wordsOf({ id, title, organization }: DesiredJob, world: World) {
  return { deployment: world.desired.deployment, job: { id, title, organization } }
}

async function quietly(
  world: World,
  jobId: JobId,
  work: (job: DesiredJob, subscribers: readonly Subscriber[]) => Promise<void>,
): Promise<void> {
  try {
    const job = world.desired.jobs.find(({ id }) => id === jobId)
    if (!job || job.notify.length === 0) return
    const channels = await openChannels(world.desired.channels, CHANNEL_KINDS)
    await work(job, subscribersOf(job.notify, channels))
  } catch (error) {
    world.report({
      event: 'notify.failed',
      level: 'error',
      message: `could not note whom to tell about ${jobId}: ${messageOf(error)}`,
      job: jobId,
      error: reportOf(error),
    })
  }
}
