import { rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KillOrder } from '../support/kill-at.ts'
import { type Ended, type Running, start } from '../support/processes.ts'
import { LawBroken } from './laws.ts'
import { adopt } from './losing.ts'
import { remember } from './memory.ts'
import { type Phase, titleOf, type Verb } from './phases.ts'
import { recover, release, restoring } from './restoring.ts'
import { readRows } from './rows.ts'
import { type Go, type Scene, settle, well } from './scene.ts'

/** A kill that a round is to suffer. */
export type Strike =
  | { readonly kind: 'phase'; readonly phase: Phase }
  | { readonly kind: 'random'; readonly verb: Verb }

/** Milliseconds in which a blow has hit, or will not any more. */
const MISSED = 20_000

type Blow = { readonly killAt: KillOrder } | { readonly killAfter: number }

/** Carries one strike out, the first time or again; true when it hit. */
export async function carryOut(strike: Strike, tries: number, scene: Scene): Promise<boolean> {
  const verb = strike.kind === 'phase' ? strike.phase.verb : strike.verb
  const blow = blowOf(strike, tries, scene)
  const title = strike.kind === 'phase' ? titleOf(strike.phase) : `${verb} at random`
  scene.tell(`${title} ${JSON.stringify(blow)}`)
  if (verb !== 'restore' && verb !== 'boot' && verb !== 'recover') scene.memory.settled = false
  const isAway = verb === 'backup' && (await loseTarget(scene))
  const ended = await performances[verb](scene, async (args, env) => {
    const daemon = strike.kind === 'random' ? await startBeside(args, scene) : null
    const process = start(args, { cwd: scene.workspace.root, env: env ?? {}, ...blow })
    // A daemon that the blow missed would go on for ever.
    const limit = setTimeout(() => process.child.kill('SIGTERM'), MISSED)
    const result = await process.ended
    clearTimeout(limit)
    if (daemon) await drain(daemon)
    scene.tell(`  ${args.join(' ')} → ${result.signal ?? result.code} ${result.stderr.trim()}`)
    if (strike.kind === 'phase' && strike.phase.victim === 'child' && result.hit) {
      mustFail(title, result)
    }
    return result
  })
  if (isAway) await returnTarget(scene)
  return 'killAt' in blow ? ended.hit : ended.signal === 'SIGKILL'
}

/** Now and then a daemon is at work while a command beside it is struck. */
async function startBeside(args: readonly string[], scene: Scene): Promise<Running | null> {
  if (args[0] === 'daemon' || !scene.dice.oneIn(2)) return null
  const daemon = start(['daemon'], { cwd: scene.workspace.root })
  while (!daemon.told('daemon.started') && daemon.child.exitCode === null) await sleep(20)
  scene.tell('  a daemon is at work')
  return daemon
}

async function drain({ child, ended }: Running): Promise<void> {
  child.kill('SIGTERM')
  const { code, signal, stdout, stderr } = await ended
  if (code === 0) return
  throw new LawBroken(`a daemon ended with ${signal ?? code}: ${stderr}${stdout}`)
}

function mustFail(title: string, { code, signal, stderr }: Ended): void {
  if (code !== 0 && code !== null && signal === null) return
  throw new LawBroken(
    `${title} was killed, and the process ended with ${signal ?? code}: ${stderr}`,
  )
}

/** Where one of two targets is enough, the other one is a mere file now and then. */
async function loseTarget({ workspace, dice, tell }: Scene): Promise<boolean> {
  const { require } = workspace.traits()
  if (workspace.shelves.length !== 2 || require !== 1 || !dice.oneIn(3)) return false
  tell('  target two is away')
  await rename(workspace.at('two'), workspace.at('two-away'))
  await writeFile(workspace.at('two'), 'no folder')
  return true
}

async function returnTarget({ workspace }: Scene): Promise<void> {
  await rm(workspace.at('two'))
  await rename(workspace.at('two-away'), workspace.at('two'))
}

function blowOf(strike: Strike, tries: number, { workspace, dice }: Scene): Blow {
  if (strike.kind === 'random') return { killAfter: dice.between(60, 900) }
  const { phase } = strike
  return {
    killAt: {
      phase: titleOf(phase),
      on: phase.on,
      match: phase.match,
      when: phase.when,
      nth: tries === 1 ? dice.between(1, phase.upTo) : 1,
      victim: phase.victim ?? 'self',
      delay: 0,
      log: workspace.at('hit'),
    },
  }
}

const performances: Readonly<Record<Verb, (scene: Scene, go: Go) => Promise<Ended>>> = {
  backup: (_scene, go) => go(['backup', 'create']),
  restore: async (scene, go) => {
    const source = scene.dice.pick(['files', 'app.db'] as const)
    return await restoring(scene, source, () => go(['restore', `main/${source}`, '--yes']))
  },
  boot: (scene, go) =>
    restoring(scene, 'files', () => go(['daemon'], { HQL_BACKUP_RESTORE: 'main/files' })),
  recover,
  release,
  change: async (scene, go) => {
    await changeConfig(scene)
    return await go(scene.dice.pick([['apply', '--yes'], ['daemon']]))
  },
  adopt,
  pin,
}

async function changeConfig({ workspace, memory }: Scene): Promise<void> {
  await workspace.configure({ keepLast: workspace.traits().keepLast === 3 ? 4 : 3 })
  await remember(workspace, memory)
}

async function pin(scene: Scene, go: Go): Promise<Ended> {
  await settle(scene)
  const newest = readRows(scene.workspace)
    .backups.filter((one) => one.job === 'main' && one.source === 'files')
    .filter(({ status }) => status === 'success')
    .toSorted((one, other) => other.started_at - one.started_at)[0]
  if (!newest) throw new Error('no backup to pin')
  const reference = `main/files@${newest.id}`
  const ended = await go(['backup', 'pin', reference])
  await well(scene, ['backup', 'unpin', reference])
  return ended
}
