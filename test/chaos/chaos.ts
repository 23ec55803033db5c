import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dice as diceOf } from '../support/dice.ts'
import { type Deployment, type DeploymentOptions, openDeployment } from './deployment.ts'
import { attemptsOf, gather } from './evidence.ts'
import { type Findings, judge } from './laws.ts'
import { createRing, type Ring } from './ring.ts'
import { STRIKES, type Strike } from './strikes.ts'
import { until } from './wait.ts'

export interface Scenario extends DeploymentOptions {
  /** Titles of strikes. */
  readonly strikes: readonly string[]
}

export interface Part {
  readonly scenario: Scenario
  /** For CHAOS_ONLY. */
  readonly name: string
  readonly seed: number
}

/** What came of one deployment. */
export interface Outcome extends Findings {
  /** Titles, as often as each came. */
  readonly strikes: readonly string[]
}

/** From the last strike and the last slot on, until nothing is owed any more. */
const QUIET = 120_000
const LANES = ['long', 'short', 'servers'] as const

/** Plays one deployment from its first slot until all is quiet, and holds it against the laws. */
export async function play({ scenario, name, seed }: Part): Promise<Outcome> {
  const dice = diceOf(seed)
  const log: string[] = []
  const began = Date.now()
  const tell = (line: string) => {
    log.push(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} ${line}`)
  }
  await using deployment = await openDeployment(scenario, dice)
  const ring = createRing(deployment, dice, tell)
  tell('all instances are up')
  await until('the first slot comes', () => Date.now() >= deployment.firstSlot)
  const strikes = dice.shuffled(scenario.strikes).map(strikeOf)
  await Promise.all(
    LANES.map(async (lane) => {
      for (const one of strikes.filter((each) => each.lane === lane)) await blow(one, ring)
    }),
  )
  await untilQuiet(deployment).catch((error: unknown) => tell(String(error)))
  tell('quiet')
  await endAll(ring)
  const findings = judge(await gather(ring))
  tell('judged')
  if (process.env.CHAOS_LOG) console.log(log.join('\n'))
  if (findings.broken.length > 0) {
    await keep(ring, log)
    const laws = findings.broken.join('\n  ')
    console.error(`CHAOS_ONLY=${name}: laws broke\n  ${laws}\n${log.join('\n')}`)
  }
  return { ...findings, strikes: strikes.map(({ title }) => title) }
}

function strikeOf(title: string): Strike {
  const strike = STRIKES.find((one) => one.title === title)
  if (!strike) throw new Error(`no strike is called ${title}`)
  return strike
}

async function blow({ title, strike }: Strike, ring: Ring): Promise<void> {
  ring.tell(`begins: ${title}`)
  await strike(ring)
  ring.tell(`is over: ${title}`)
}

/** Every slot has come, and every attempt has ended; each slot in a success, if all is well. */
async function untilQuiet(deployment: Deployment): Promise<void> {
  await until('the last slot has come', () => Date.now() > deployment.lastSlot, QUIET)
  await until(
    'nothing is owed any more',
    async () => {
      const attempts = await attemptsOf(deployment)
      const isOpen = attempts.some(({ status }) => status === 'running' || status === 'pending')
      const done = new Set(
        attempts
          .filter(({ status }) => status === 'success' || status === 'skipped')
          .map(({ job, slot }) => `${job} ${slot}`),
      )
      // Of a job's slots the last one stands for those that came to nothing.
      const owed = deployment.jobs.filter(({ id, slots }) => !done.has(`${id} ${slots.at(-1)}`))
      return !isOpen && owed.length === 0
    },
    QUIET,
  )
}

/** The last drain: all at once. */
async function endAll({ deployment, drains }: Ring): Promise<void> {
  await Promise.all(
    deployment.members.map(async (member) => {
      const from = Date.now()
      const instance = member.instance() ?? ''
      const { code } = await member.stop()
      drains.push({ instance, name: member.name, from, to: Date.now(), code })
    }),
  )
}

/** What every instance told, for whoever looks into it, in the folder that CHAOS_KEEP names. */
async function keep({ deployment }: Ring, log: readonly string[]): Promise<void> {
  const folder = process.env.CHAOS_KEEP
  if (folder === undefined) return
  const texts = deployment.members.flatMap(({ name, lives }) =>
    lives().map(({ lines, stderr }, life) => {
      const told = lines.map((line) => JSON.stringify(line))
      return [`${name}-${life}.log`, [...told, stderr()].join('\n')] as const
    }),
  )
  const counts = await readFile(deployment.counts, 'utf8')
  const at = join(folder, `${deployment.firstSlot}`)
  await mkdir(at, { recursive: true })
  for (const [name, text] of [
    ...texts,
    ['counts', counts],
    ['chaos.log', log.join('\n')],
  ] as const) {
    await writeFile(join(at, name), text)
  }
}
