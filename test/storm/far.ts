import { localShelves } from '../support/shelf.ts'
import { makeWorkspace, type Traits } from '../support/workspace.ts'
import { checkFarLaws, disorder } from './far-laws.ts'
import type { FarPhase, FarVerb } from './far-phases.ts'
import { carryOutFar, type FarStrike, farTitleOf } from './far-strike.ts'
import type { FarScene } from './far-verbs.ts'
import { broken, checkLaws, checkOrder } from './laws.ts'
import { newMemory, remember } from './memory.ts'
import { titleOf } from './phases.ts'
import {
  count,
  mustSucceed,
  nextBackup,
  recoverByDaemon,
  restoreElsewhere,
  type Tally,
} from './round.ts'
import { command } from './scene.ts'
import type { Site } from './site.ts'
import type { Round, Weather } from './storm.ts'

/** Tries of a phase that the state of the workspace did not lead to. */
const TRIES = 3

type Happening = Exclude<FarStrike, { kind: 'phase' }>['kind']

const HAPPENINGS: Readonly<Record<FarVerb, readonly Happening[]>> = {
  backup: ['moment', 'bytes', 'bytes', 'cut', 'dead', 'stall', 'stalled', 'crash', 'away', 'late'],
  copy: ['bytes', 'cut', 'stall', 'crash', 'late'],
  prune: ['bytes', 'cut', 'away', 'late'],
  verify: ['bytes', 'cut'],
  restore: ['bytes', 'dead', 'crash'],
  daemon: ['moment', 'bytes'],
}

/** Happenings in a hundred rounds, beside the phases. */
const BESIDE = 70

/** Kills, a bad network and a server that dies, over three targets two of which are on a real server. */
export function farWeather(phases: readonly FarPhase[], site: Site): Weather<FarStrike> {
  return {
    titles: phases.map(titleOf),
    strikes(rounds, each, dice) {
      const times = <T>(one: T) => Array.from({ length: each }, () => one)
      const named = phases.map((phase): FarStrike => ({ kind: 'phase', phase })).flatMap(times)
      const others = Object.entries(HAPPENINGS).flatMap(([verb, kinds]) =>
        kinds.map((kind): FarStrike => ({ kind, verb: verb as FarVerb })),
      )
      const beside = Math.ceil((BESIDE * rounds) / 100)
      return [...named, ...dice.shuffled(others.flatMap(times)).slice(0, beside)]
    },
    async open(number, dice, tell) {
      const link = await site.link()
      const far = await site.furnish(link)
      const shelves = (root: string) => {
        const all = [...far(root), ...localShelves(1)(root)]
        return number % 4 < 2 ? all : all.reverse()
      }
      const workspace = await makeWorkspace(traitsOf(number, site), dice, shelves)
      const scene: FarScene = { workspace, memory: newMemory(), dice, tell, site, link }
      return {
        scene,
        play: (round, tally) => playFarRound(round, scene, tally),
        async [Symbol.asyncDispose]() {
          await link[Symbol.asyncDispose]()
          await workspace[Symbol.asyncDispose]()
        },
      }
    },
  }
}

function traitsOf(number: number, { blob }: Site): Traits {
  const require = number % 2 === 0 ? 1 : 2
  return {
    require,
    quorum: require,
    encrypted: number % 4 < 2,
    excludes: number % 4 > 1,
    journalMode: number % 3 < 2 ? 'wal' : 'delete',
    keepLast: 3,
    floor: 2,
    blob,
    busy: false,
  }
}

async function playFarRound(round: Round<FarStrike>, scene: FarScene, tally: Tally): Promise<void> {
  const { workspace, memory, dice } = scene
  scene.tell(`round ${round.number}`)
  await workspace.mutate()
  await remember(workspace, memory)
  memory.settled = true
  for (const strike of round.strikes) await strikeOnce(strike, scene, tally)
  const by = dice.pick(['a daemon', 'an apply'] as const)
  if (by === 'a daemon') await recoverByDaemon(scene, () => disorder(workspace, memory))
  else mustSucceed(scene, await command(scene, ['apply', '--yes']), 'the next pass')
  count(tally, `put in order by ${by}`)
  await remember(workspace, memory)
  await checkLaws(workspace, memory)
  checkFarLaws(workspace)
  await checkOrder(workspace, memory)
  broken('a pass left it so', await disorder(workspace, memory))
  if (dice.oneIn(3)) await restoreElsewhere(scene, tally)
}

async function strikeOnce(strike: FarStrike, scene: FarScene, tally: Tally): Promise<void> {
  const title = farTitleOf(strike)
  for (let tries = 1; tries <= TRIES; tries++) {
    if (await carryOutFar(strike, tries, scene)) return count(tally, title)
    if (strike.kind !== 'phase') return count(tally, 'too late, it had ended')
    // With one more backup there is something to prune.
    await nextBackup(scene)
  }
  throw new Error(`the storm never got to: ${title}`)
}
