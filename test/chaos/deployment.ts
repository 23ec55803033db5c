import type { Dice } from '../support/dice.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { type FaultyLink, startProxy } from '../support/proxy.ts'
import { blockOf, type Job, jobsOf } from './jobs.ts'
import { createMember, type Member } from './member.ts'
import { installNextVersion } from './next-version.ts'
import { openPlaces, type Places, type Wanted } from './places.ts'

const NAMES = ['ada', 'bea', 'cid']
/** From the writing of the file to the first slot: three daemons have to come up. In milliseconds. */
const AHEAD = 12_000
/** A machine that has other things to do gets twice as long, and again. */
const MOST_AHEAD = 100_000

export interface DeploymentOptions extends Omit<Wanted, 'folder'> {
  readonly slots: number
  /** In which they fall, in milliseconds. */
  readonly window: number
}

/** Three instances from one file, and all that they need. */
export interface Deployment extends AsyncDisposable {
  readonly space: Workspace
  readonly places: Places
  readonly members: readonly Member[]
  readonly jobs: readonly Job[]
  /** Where the source counts its own backups. */
  readonly counts: string
  readonly firstSlot: number
  readonly lastSlot: number
}

/** Starts the servers, then the three instances at the same millisecond, on a state that is new. */
export async function openDeployment(options: DeploymentOptions, dice: Dice): Promise<Deployment> {
  for (let ahead = AHEAD; ahead < MOST_AHEAD; ahead *= 2) {
    const opened = await openWithin(ahead, options, dice)
    if (opened) return opened
  }
  throw new Error('the instances were up only after the first slot, however late it was')
}

/** Null: the first slot came before all of them were up. */
async function openWithin(
  ahead: number,
  options: DeploymentOptions,
  dice: Dice,
): Promise<Deployment | null> {
  await using stack = new AsyncDisposableStack()
  const space = stack.use(await makeWorkspace())
  const places = stack.use(await openPlaces({ ...options, folder: space.root }))
  const counts = space.at('counts')
  const from = Math.ceil((Date.now() + ahead) / 1000) * 1000
  const jobs = jobsOf({ slots: options.slots, from, window: options.window }, dice)
  await space.write({ counts: '', 'holdfast.yml': configOf(jobs, counts, places) })
  const nextProgram = await installNextVersion(space.at('next'))
  const around = { space, places, stack, nextProgram }
  const members: Member[] = []
  for (const name of NAMES) {
    members.push(stack.use(createMember(await surroundingsOf(name, around))))
  }
  for (const one of members) one.start()
  for (const one of members) await one.untilStarted()
  if (Date.now() > from) return null
  const owned = stack.move()
  return {
    space,
    places,
    members,
    jobs,
    counts,
    firstSlot: from,
    lastSlot: Math.max(...jobs.flatMap(({ slots }) => slots)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function configOf(jobs: readonly Job[], counts: string, { shelf }: Places): string {
  return JSON.stringify({
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the config expands it
    data_dir: '${DATA}',
    deployment: 'chaos',
    instances: NAMES.length,
    limits: { concurrency: 4 },
    drain_timeout: '60s',
    targets: { [shelf.name]: shelf.block },
    jobs: Object.fromEntries(jobs.map((job) => [job.id, blockOf(job, counts)])),
  })
}

interface Around {
  readonly space: Workspace
  readonly places: Places
  readonly stack: AsyncDisposableStack
  readonly nextProgram: string
}

/** Links of its own. Servers that tell their addresses themselves cannot be had through one. */
async function surroundingsOf(name: string, { space, places, stack, nextProgram }: Around) {
  const { database, redis, topology } = places
  const toPostgres: FaultyLink = stack.use(await startProxy(database.port))
  const port = redis.servers[0]?.port ?? 0
  const toRedis = topology === 'single' ? stack.use(await startProxy(port)) : null
  const env = {
    HOLDFAST_STATE: database.url.replace(`:${database.port}/`, `:${toPostgres.port}/`),
    HOLDFAST_REDIS_URL: toRedis ? redis.url.replace(`:${port}/`, `:${toRedis.port}/`) : redis.url,
  }
  return { name, space, toPostgres, toRedis, env, nextProgram }
}
