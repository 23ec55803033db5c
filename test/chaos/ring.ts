import type { Dice } from '../support/dice.ts'
import type { Deployment } from './deployment.ts'
import type { Member } from './member.ts'
import { until } from './wait.ts'

/** Beyond this nothing more is likely to begin: whoever is there is struck, in milliseconds. */
const LONGEST_WATCH = 8_000

/** An instance that may not renew its leases any more, from then on. */
export interface Death {
  readonly at: number
  readonly instance: string
  /** What it held, and until when as last renewed. */
  readonly leases: readonly { readonly name: string; readonly until: number }[]
  /** Attempts that it had under way. */
  readonly open: readonly { readonly id: string; readonly job: string }[]
}

/** An instance that was told to drain, and what became of it. */
export interface Drained {
  readonly instance: string
  readonly name: string
  readonly from: number
  readonly to: number
  readonly code: number | null
}

/** The database was away. */
export interface Outage {
  readonly from: number
  readonly to: number
}

/** Where strikes meet: who is being struck, and what is remembered of it. */
export interface Ring {
  readonly deployment: Deployment
  readonly dice: Dice
  readonly deaths: Death[]
  readonly drains: Drained[]
  readonly outages: Outage[]
  /** Tells in the log of the chaos what happens. */
  tell(line: string): void
  /** One that has just begun a backup and is not struck already; no other strike gets it meanwhile. */
  prey(): Promise<Claim>
  /** That one, as soon as nobody else strikes it. */
  claim(member: Member): Promise<Claim>
  /** Notes what that instance leaves behind. */
  mourn(member: Member, at: number): Promise<void>
}

export interface Claim extends Disposable {
  readonly member: Member
}

export function createRing(deployment: Deployment, dice: Dice, tell: (line: string) => void): Ring {
  const claimed = new Set<Member>()
  const deaths: Death[] = []
  const free = () => deployment.members.filter((one) => one.isRunning() && !claimed.has(one))
  const take = (member: Member): Claim => {
    claimed.add(member)
    return { member, [Symbol.dispose]: () => void claimed.delete(member) }
  }
  const slow = new Set(deployment.jobs.filter(({ ticks }) => ticks > 1).map(({ id }) => id))
  const began = (member: Member, from: number) =>
    member
      .lines()
      .slice(from)
      .filter(({ event, job }) => event === 'backup.started' && slow.has(job)).length
  return {
    deployment,
    dice,
    deaths,
    drains: [],
    outages: [],
    tell,
    async prey() {
      const nth = dice.between(1, 3)
      const marks = new Map(deployment.members.map((one) => [one, one.lines().length]))
      const since = performance.now()
      return await until('somebody can be struck', () => {
        const late = performance.now() - since > LONGEST_WATCH
        const all = free()
        const found = all.find((one) => began(one, marks.get(one) ?? 0) >= nth)
        const member = found ?? (late ? all[0] : undefined)
        return member && take(member)
      })
    },
    async claim(member) {
      return await until(
        `${member.name} is left alone`,
        () => free().includes(member) && take(member),
      )
    },
    async mourn(member, at) {
      const instance = member.instance()
      if (instance === null) return
      const { database } = deployment.places
      await until('the database tells what is left behind', async () => {
        const mine = `instance = '${instance}'`
        const leases = await database.rows<Death['leases'][number]>(
          `select name, until from leases where ${mine}`,
        )
        const open = await database.rows<Death['open'][number]>(
          `select id, job from backups where ${mine} and status in ('pending', 'running')`,
        )
        deaths.push({ at, instance, leases, open })
        return true
      })
    },
  }
}
