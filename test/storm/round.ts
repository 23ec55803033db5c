import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ended, start } from '../support/processes.ts'
import { digestDatabase, digestTree } from './digest.ts'
import { checkLaws, checkOrder, contentOf, LawBroken, stuck, unknownManifests } from './laws.ts'
import { checkAdopted, loseState } from './losing.ts'
import { remember } from './memory.ts'
import { titleOf } from './phases.ts'
import { readRows } from './rows.ts'
import { command, type Scene, settle } from './scene.ts'
import type { Round } from './storm.ts'
import { carryOut, type Strike } from './strike.ts'

/** Counts of what was hit, by its title. */
export type Tally = Map<string, number>

/** A daemon that was killed must have put everything in order after this long. */
const SETTLE_LIMIT = 45_000
/** Tries of a phase that the state of the workspace did not lead to. */
const TRIES = 3

/** Strikes, starts again, and checks every law. Throws `LawBroken`. */
export async function playRound(round: Round<Strike>, scene: Scene, tally: Tally): Promise<void> {
  const { workspace, memory, dice } = scene
  scene.tell(`round ${round.number}`)
  await workspace.mutate()
  await remember(workspace, memory)
  memory.settled = true
  for (const strike of round.strikes) await strikeOnce(strike, scene, tally)
  if (dice.oneIn(8)) {
    await settle(scene)
    await loseState(scene)
    await checkAdopted(scene)
    count(tally, 'state lost and adopted')
  }
  const by = dice.pick(['a daemon', 'a command'] as const)
  if (by === 'a daemon') await recoverByDaemon(scene)
  else await nextBackup(scene)
  count(tally, `put in order by ${by}`)
  await workspace.stopWriter()
  await remember(workspace, memory)
  await checkLaws(workspace, memory)
  if (by === 'a daemon') await checkOrder(workspace, memory)
  if (dice.oneIn(3)) await restoreElsewhere(scene, tally)
}

async function strikeOnce(strike: Strike, scene: Scene, tally: Tally): Promise<void> {
  const title = strike.kind === 'phase' ? titleOf(strike.phase) : 'at a random moment'
  await setWriter(strike, scene)
  for (let tries = 1; tries <= TRIES; tries++) {
    if (await carryOut(strike, tries, scene)) return count(tally, title)
    if (strike.kind === 'random') return count(tally, 'too late, it had ended')
    // With one more backup there is something to prune, and to restore and pin that is not pinned.
    await nextBackup(scene)
  }
  throw new Error(`the storm never got to: ${title}`)
}

/** Somebody writes to the database now and then, but never while it is to be restored. */
async function setWriter(strike: Strike, { workspace, memory, dice }: Scene): Promise<void> {
  const verb = strike.kind === 'phase' ? strike.phase.verb : strike.verb
  if (verb === 'backup' && dice.oneIn(3)) {
    memory.wrote = true
    return await workspace.startWriter()
  }
  if (!workspace.isWriting()) return
  await workspace.stopWriter()
  await remember(workspace, memory)
}

export function count(tally: Tally, title: string): void {
  tally.set(title, (tally.get(title) ?? 0) + 1)
}

export async function nextBackup(scene: Scene): Promise<void> {
  const ended = await command(scene, ['backup', 'create'])
  mustSucceed(scene, ended, 'the next backup')
}

/** A daemon looks at the world until nothing is under way or left lying about, then drains. */
export async function recoverByDaemon(
  scene: Scene,
  alsoLeft: () => Promise<readonly string[]> = async () => [],
): Promise<void> {
  const daemon = start(['daemon'], { cwd: scene.workspace.root })
  const deadline = performance.now() + SETTLE_LIMIT
  let left: readonly string[] = ['it did not start']
  let calm = 0
  while (calm < 2 && performance.now() < deadline && daemon.child.exitCode === null) {
    await sleep(100)
    if (daemon.told('daemon.started')) left = [...(await unsettled(scene)), ...(await alsoLeft())]
    calm = left.length === 0 ? calm + 1 : 0
  }
  daemon.child.kill('SIGTERM')
  const ended = await daemon.ended
  if (left.length > 0) {
    scene.tell(ended.stdout)
    throw new LawBroken(`a daemon left it stuck:\n  ${left.join('\n  ')}\n${ended.stderr}`)
  }
  mustSucceed(scene, ended, 'the daemon')
}

async function unsettled({ workspace, memory }: Scene): Promise<readonly string[]> {
  const found = await stuck(workspace, memory)
  return [
    ...found.filter((line) => !line.startsWith('scratch ')),
    ...(await unknownManifests(workspace, memory, readRows(workspace))),
  ]
}

export function mustSucceed(
  scene: Scene,
  { code, signal, stdout, stderr }: Ended,
  what: string,
): void {
  scene.tell(`  ${what} → ${signal ?? code} ${stderr.trim()}`)
  if (code === 0) return
  throw new LawBroken(`${what} ended with ${signal ?? code}: ${stderr}${stdout}`)
}

/** What Holdfast restores is what stock programs restore. */
export async function restoreElsewhere(scene: Scene, tally: Tally): Promise<void> {
  const { workspace, memory, dice } = scene
  const { backups, copies } = readRows(workspace)
  const good = copies.filter(
    (copy) =>
      copy.status === 'complete' &&
      backups.some(
        ({ id, job, status }) => id === copy.backup && job === 'main' && status === 'success',
      ),
  )
  const copy = dice.pick(good)
  const backup = backups.find(({ id }) => id === copy.backup)
  const to = workspace.at(`restored-${copy.backup}-${dice.between(0, 1e9)}`)
  const reference = `main/${backup?.source}@${copy.backup}`
  const ended = await command(scene, ['restore', reference, '--to', to])
  mustSucceed(scene, ended, `restore ${reference} --to`)
  const content = await restored(to, backup?.source)
  if (content !== (await contentOf(workspace, memory, copy)))
    throw new LawBroken(`${reference} restored to something else than stock programs make of it`)
  count(tally, 'restored by holdfast, equal to stock programs')
  await rm(to, { recursive: true })
}

async function restored(path: string, source: string | undefined): Promise<string> {
  if (source === 'files') return await digestTree(path)
  if (source === 'app.db') return digestDatabase(path)
  return (await readFile(path, 'utf8')).trim()
}
