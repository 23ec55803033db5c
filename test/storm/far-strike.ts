import { setTimeout as sleep } from 'node:timers/promises'
import { poll } from '../support/daemon.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { type Ended, type Running, start } from '../support/processes.ts'
import type { Direction } from '../support/proxy.ts'
import type { FarPhase, FarVerb } from './far-phases.ts'
import { type FarScene, PARTIAL, perform } from './far-verbs.ts'
import { LawBroken } from './laws.ts'
import { titleOf } from './phases.ts'
import { well } from './scene.ts'

/** What a round is to suffer while a verb is at work. */
export type FarStrike =
  /** Killed at a place in its own doing. */
  | { readonly kind: 'phase'; readonly phase: FarPhase }
  /** Killed whenever. */
  | { readonly kind: 'moment'; readonly verb: FarVerb }
  /** Killed after so many bytes on the link. */
  | { readonly kind: 'bytes'; readonly verb: FarVerb }
  /** The link cuts a connection, once. */
  | { readonly kind: 'cut'; readonly verb: FarVerb }
  /** The link is dead from some byte on. */
  | { readonly kind: 'dead'; readonly verb: FarVerb }
  /** The link lets nothing pass for a while. */
  | { readonly kind: 'stall'; readonly verb: FarVerb }
  /** Killed while the link lets nothing pass. */
  | { readonly kind: 'stalled'; readonly verb: FarVerb }
  /** The server is killed and started again at once. */
  | { readonly kind: 'crash'; readonly verb: FarVerb }
  /** The server is killed and stays away until the verb is over. */
  | { readonly kind: 'away'; readonly verb: FarVerb }
  /** Killed, and what it sent last arrives after the next pass. */
  | { readonly kind: 'late'; readonly verb: FarVerb }

export function farTitleOf(strike: FarStrike): string {
  return strike.kind === 'phase' ? titleOf(strike.phase) : `${strike.verb}: ${WORDS[strike.kind]}`
}

const WORDS = {
  moment: 'killed at random',
  bytes: 'killed after some bytes',
  cut: 'connection cut',
  dead: 'network gone',
  stall: 'network stalls',
  stalled: 'killed while the network stalls',
  crash: 'server killed and back',
  away: 'server killed',
  late: 'killed, and what it sent comes late',
} as const

/** Carries one strike out, the first time or again; true when it hit. */
export async function carryOutFar(
  strike: FarStrike,
  tries: number,
  scene: FarScene,
): Promise<boolean> {
  const verb = strike.kind === 'phase' ? strike.phase.verb : strike.verb
  scene.tell(farTitleOf(strike))
  if (verb !== 'restore') scene.memory.settled = false
  let hit = false
  await perform[verb](scene, async (args) => {
    const blow = await fall(strike, args, { scene, tries })
    hit = blow.hit
    return blow.ended
  })
  return hit
}

interface Fallen {
  readonly ended: Ended
  readonly hit: boolean
}

interface Around {
  readonly scene: FarScene
  readonly tries: number
}

/** The process of the verb, the strike upon it, and all well again. */
async function fall(
  strike: FarStrike,
  args: readonly string[],
  { scene, tries }: Around,
): Promise<Fallen> {
  const { workspace, tell, link, site, dice } = scene
  const at = { cwd: workspace.root }
  if (strike.kind === 'phase') {
    const killAt = orderOf(strike.phase, tries, scene)
    tell(`  ${JSON.stringify(killAt)}`)
    const running = start(args, { ...at, killAt })
    const ended = await over(running, args, scene)
    return { ended, hit: ended.hit }
  }
  if (strike.kind === 'moment') {
    const ended = await over(
      start(args, { ...at, killAfter: dice.between(100, 1500) }),
      args,
      scene,
    )
    return { ended, hit: ended.signal === 'SIGKILL' }
  }
  if (strike.kind === 'late') return await fallLate(args, strike.verb, scene)
  const running = start(args, at)
  const weather = unleash(strike, running, scene)
  const ended = await over(running, args, scene)
  const hit = await weather()
  link.heal()
  if (strike.kind === 'away' && hit) await site.revive()
  const isKilled = strike.kind === 'bytes' || strike.kind === 'stalled'
  if (isKilled) return { ended, hit: ended.signal === 'SIGKILL' }
  judge(strike, ended, scene)
  return { ended, hit }
}

/** The next pass finds the server well, and only then does what was under way arrive there. */
async function fallLate(args: readonly string[], verb: FarVerb, scene: FarScene): Promise<Fallen> {
  const { workspace, tell, link, site, dice } = scene
  const { child, ended: ending } = start(args, { cwd: workspace.root })
  const pause = dice.between(0, 200)
  const kill = () => void setTimeout(() => child.kill('SIGKILL'), pause)
  const requests = site.requests?.[verb]
  if (requests) {
    const match = dice.pick(requests)
    tell(`  held: ${match}`)
    link.holdRequest(new RegExp(match), kill)
  } else {
    link.whenPassed('up', dice.between(500, site.blob), () => {
      link.freeze()
      kill()
    })
  }
  const ended = await over({ child, ended: ending }, args, scene)
  if (ended.signal === 'SIGKILL') await well(scene, ['apply', '--yes'])
  link.heal()
  await poll(() => link.connections === 0, 'the end of all connections')
  return { ended, hit: ended.signal === 'SIGKILL' }
}

/** Waits for whatever was begun; true when the strike fell. */
type Weather = () => Promise<boolean>

/** Has the strike fall once so many bytes have passed the link. */
function unleash(
  { kind, verb }: Exclude<FarStrike, { kind: 'phase' | 'moment' | 'late' }>,
  { child }: Running,
  { link, site, dice }: FarScene,
): Weather {
  const direction: Direction = verb === 'verify' || verb === 'restore' ? 'down' : 'up'
  const acts: Readonly<Record<typeof kind, () => Promise<void> | void>> = {
    bytes: () => void child.kill('SIGKILL'),
    cut: () => link.cutAfter(direction, 0),
    dead: link.die,
    async stall() {
      link.stall()
      await sleep(dice.between(100, site.longestStall))
      link.heal()
    },
    async stalled() {
      link.stall()
      await sleep(dice.between(50, 500))
      child.kill('SIGKILL')
    },
    async crash() {
      await site.crash()
      await site.revive()
    },
    away: site.crash,
  }
  let begun: Promise<void> | null = null
  // Handshakes and questions are thousands of bytes, archives are millions.
  const most = verb === 'prune' || dice.oneIn(2) ? 15_000 : site.blob
  link.whenPassed(direction, dice.between(500, most), () => {
    begun = (async () => await acts[kind]())()
  })
  return async () => {
    await begun
    return begun !== null
  }
}

function orderOf(phase: FarPhase, tries: number, { workspace, dice }: FarScene): KillOrder {
  return {
    phase: titleOf(phase),
    on: phase.on,
    match: phase.match,
    when: phase.when,
    nth: tries === 1 ? dice.between(1, phase.upTo) : 1,
    victim: 'self',
    delay: 0,
    log: workspace.at('hit'),
  }
}

/** A daemon that nothing has killed by then is told to end. */
const DAEMON_LIFE = 8_000

async function over(
  { child, ended }: Pick<Running, 'child' | 'ended'>,
  args: readonly string[],
  { tell }: FarScene,
): Promise<Ended> {
  const limit =
    args[0] === 'daemon' ? setTimeout(() => child.kill('SIGTERM'), DAEMON_LIFE) : undefined
  const result = await ended
  clearTimeout(limit)
  const { signal, code, stderr } = result
  tell(`  ${args.join(' ')} → ${signal ?? code} ${stderr.trim()}`)
  return result
}

/** As the exit codes have it. */
const DAMAGED = 14

/** What a process may come to that was not killed itself. */
function judge(
  { kind, verb }: Exclude<FarStrike, { kind: 'phase' }>,
  { code, signal, stderr }: Ended,
  { workspace }: FarScene,
): void {
  const fail = (law: string) => {
    throw new LawBroken(`${verb} ${law}: it ended with ${signal ?? code}: ${stderr}`)
  }
  if (signal !== null) fail('hangs')
  if (/\n\s+at .*:\d+:\d+/.test(stderr)) fail('ends with what only a programmer can read')
  if (code === DAMAGED) fail('calls an archive damaged that could not be read')
  if (verb !== 'backup') return
  // The link leads to one of three targets, the server holds two of them.
  const isEnough = (kind !== 'crash' && kind !== 'away') || workspace.traits().require === 1
  if (isEnough && code !== 0 && code !== PARTIAL) fail('fails although enough targets are there')
}
