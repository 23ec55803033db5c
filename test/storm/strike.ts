import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { Dice } from '../support/dice.ts'
import type { KillOrder } from '../support/kill-at.ts'
import { type Ended, run, start } from '../support/processes.ts'
import type { Workspace } from '../support/workspace.ts'
import { digestDatabase, digestFile, digestLive, digestTree } from './digest.ts'
import { contentOf, LawBroken } from './laws.ts'
import { type Memory, objectsOf, remember } from './memory.ts'
import { type Phase, titleOf, type Verb } from './phases.ts'
import { type CopyRow, readRows } from './rows.ts'

/** A kill that a round is to suffer. */
export type Strike =
  | { readonly kind: 'phase'; readonly phase: Phase }
  | { readonly kind: 'random'; readonly verb: Verb }

/** What a strike needs to know. */
export interface Scene {
  readonly workspace: Workspace
  readonly memory: Memory
  readonly dice: Dice
  /** Takes a line of what is done, for whoever has to find out why it went wrong. */
  readonly tell: (line: string) => void
}

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
    const process = start(args, { cwd: scene.workspace.root, env: env ?? {}, ...blow })
    // A daemon that the blow missed would go on for ever.
    const limit = setTimeout(() => process.child.kill('SIGTERM'), MISSED)
    const result = await process.ended
    clearTimeout(limit)
    scene.tell(`  ${args.join(' ')} → ${result.signal ?? result.code} ${result.stderr.trim()}`)
    if (strike.kind === 'phase' && strike.phase.victim === 'child' && result.hit) {
      mustFail(title, result)
    }
    return result
  })
  if (isAway) await returnTarget(scene)
  return 'killAt' in blow ? ended.hit : ended.signal === 'SIGKILL'
}

function mustFail(title: string, { code, signal, stderr }: Ended): void {
  if (code !== 0 && code !== null && signal === null) return
  throw new LawBroken(
    `${title} was killed, and the process ended with ${signal ?? code}: ${stderr}`,
  )
}

/** Where one of two targets is enough, the other one is a mere file now and then. */
async function loseTarget({ workspace, dice, tell }: Scene): Promise<boolean> {
  const { targets, require } = workspace.traits()
  if (targets !== 2 || require !== 1 || !dice.oneIn(3)) return false
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

type Go = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Ended>

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

/** Runs what must succeed for the strike to make sense. */
async function well(scene: Scene, args: readonly string[]): Promise<Ended> {
  const ended = await run(args, { cwd: scene.workspace.root })
  scene.tell(`  ${args.join(' ')} → ${ended.signal ?? ended.code} ${ended.stderr.trim()}`)
  if (ended.code === 0) return ended
  throw new LawBroken(`${args.join(' ')} ended with ${ended.signal ?? ended.code}: ${ended.stderr}`)
}

/** Starts a process that finishes what a crash cut short, and then finds nothing to do. */
const FINISH = ['backup', 'verify', '--name', 'none']

/** Has what a crash cut short finished; now and then by two processes that start at the same moment. */
export async function settle({ workspace, dice, tell }: Scene): Promise<void> {
  const processes = dice.oneIn(6) ? 2 : 1
  const all = Array.from({ length: processes }, () => run(FINISH, { cwd: workspace.root }))
  for (const { code, signal, stderr } of await Promise.all(all)) {
    tell(`  ${FINISH.join(' ')} → ${signal ?? code} ${stderr.trim()}`)
    if (stderr.includes('no run is called none')) continue
    throw new LawBroken(`what was cut short is not finished: ${signal ?? code} ${stderr}`)
  }
}

/**
 * After a struck restore, and the next start, the live data is the old or the new, whole; when it is
 * the new, the history says so and the old is kept.
 */
async function restoring(
  scene: Scene,
  source: 'files' | 'app.db',
  act: () => Promise<Ended>,
): Promise<Ended> {
  const { workspace, memory } = scene
  if (!memory.settled) await settle(scene)
  await workspace.mutate()
  await remember(workspace, memory)
  const before = await digestLive(workspace, source)
  const wanted = await newestContent(scene, source)
  memory.settled = false
  const ended = await act()
  await settle(scene)
  memory.settled = true
  const now = await digestLive(workspace, source)
  if (now !== before && now !== wanted) {
    throw new LawBroken(`${source} is neither what it was nor what was restored: ${now}`)
  }
  await checkStory(scene, source, { before, swapped: now !== before })
  if (source === 'files') await checkCarried(workspace)
  return ended
}

interface Story {
  readonly before: string
  readonly swapped: boolean
}

async function checkStory(
  { workspace }: Scene,
  source: string,
  { before, swapped }: Story,
): Promise<void> {
  const row = readRows(workspace).restores.findLast((one) => one.source === source)
  if (!swapped) return
  if (row?.status !== 'success') {
    throw new LawBroken(`${source} was replaced, and the history says ${JSON.stringify(row)}`)
  }
  // A daemon that was struck late has taken the new baseline already.
  if (row.released === 1) return
  if (row.previous === null) throw new LawBroken(`the data before restore ${row.id} is not kept`)
  const kept = source === 'files' ? await digestTree(row.previous) : digestDatabase(row.previous)
  if (kept !== before) throw new LawBroken(`${row.previous} is not what was there before`)
}

/** What the backup leaves out stays at its place whatever happens around it. */
async function checkCarried(workspace: Workspace): Promise<void> {
  if (!workspace.traits().excludes) return
  const path = workspace.at('live', 'files', 'cache', 'kept')
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) throw new LawBroken('what the backup leaves out is gone after a restore')
}

async function newestContent(scene: Scene, source: string): Promise<string> {
  const { workspace, memory } = scene
  const { backups, copies } = readRows(workspace)
  const ids = new Set(
    backups.filter((one) => one.job === 'main' && one.source === source).map(({ id }) => id),
  )
  const [newest] = copies
    .filter((one) => ids.has(one.backup) && one.status === 'complete')
    .filter(({ backup }) => backups.some(({ id, status }) => id === backup && status === 'success'))
    .toSorted((one: CopyRow, other: CopyRow) => other.taken_at - one.taken_at)
  if (!newest) throw new Error(`no copy of ${source} to restore`)
  return await contentOf(workspace, memory, newest)
}

/** A restore is cut in the middle of its swap, and then what would finish it is struck too. */
async function recover(scene: Scene, go: Go): Promise<Ended> {
  return await restoring(scene, 'files', async () => {
    const killAt: KillOrder = {
      phase: 'cut',
      on: 'rename',
      match: 'holdfast-previous',
      when: 'after',
      nth: 1,
      victim: 'self',
      delay: 0,
      log: scene.workspace.at('cut'),
    }
    const cut = await run(['restore', 'main/files', '--yes'], { cwd: scene.workspace.root, killAt })
    if (!cut.hit) throw new LawBroken(`a restore did not get to its swap: ${cut.stderr}`)
    return await go(FINISH)
  })
}

/** A restore that is complete and owes its baseline; the backup that is to release it is struck. */
async function release(scene: Scene, go: Go): Promise<Ended> {
  await settle(scene)
  await scene.workspace.mutate()
  await remember(scene.workspace, scene.memory)
  await well(scene, ['restore', 'main/files', '--yes'])
  return await go(['backup', 'create', 'main/files'])
}

async function changeConfig({ workspace, memory }: Scene): Promise<void> {
  await workspace.configure({ keepLast: workspace.traits().keepLast === 3 ? 4 : 3 })
  await remember(workspace, memory)
}

/** The state is lost, and the reading of the manifests is struck half-way. */
async function adopt(scene: Scene, go: Go): Promise<Ended> {
  const { workspace } = scene
  await settle(scene)
  await loseState(scene)
  const ended = await go(['state', 'adopt'])
  await checkAdopted(scene)
  await remember(workspace, scene.memory)
  return ended
}

/** Deletes the state. What nothing can prove ours any more is foreign from here on. */
export async function loseState({ workspace, memory, tell }: Scene): Promise<void> {
  tell('  the state is lost')
  for (const suffix of ['', '-wal', '-shm']) {
    await rm(workspace.at('data', `state.db${suffix}`), { force: true })
  }
  for (const name of await readdir(workspace.at('live'))) {
    if (name.includes('.holdfast-')) memory.litter.add(name)
  }
  const objects = new Set(await objectsOf(workspace))
  for (const path of objects) {
    const isProven =
      objects.has(`${path}.manifest.json`) ||
      (path.endsWith('.manifest.json') && objects.has(path.slice(0, -'.manifest.json'.length)))
    // A manifest may prove the attempt ours whose beginning of another object this is; pins are free.
    const isOpen = path.endsWith('.part') || path.endsWith('.pin.json')
    if (isOpen && !memory.foreign.has(path)) memory.unproven.add(path)
    else if (!isProven) memory.foreign.set(path, (await digestFile(workspace.at(path))).sha256)
  }
}

interface PlannedAction {
  readonly target?: string
  readonly drop?: readonly { readonly storagePath: string }[]
}

/** Every archive with its manifest is history again, and the plan deletes none of the newest. */
export async function checkAdopted(scene: Scene): Promise<void> {
  const { workspace, memory } = scene
  await well(scene, ['state', 'adopt'])
  const known = new Set(
    readRows(workspace)
      .copies.filter(({ status }) => status === 'complete')
      .map(({ target, key }) => `${target}/${key}`),
  )
  const suffix = '.manifest.json'
  const there = (await objectsOf(workspace))
    .filter((path) => path.endsWith(suffix) && !memory.foreign.has(path))
    .map((path) => path.slice(0, -suffix.length))
  const lost = there.filter((path) => !known.has(path))
  if (lost.length > 0) throw new LawBroken(`not adopted: ${lost.join(', ')}`)
  const { stdout } = await well(scene, ['plan', '--json'])
  const { actions } = JSON.parse(stdout) as { actions: readonly PlannedAction[] }
  const dropped = new Set(
    actions.flatMap(({ target, drop = [] }) =>
      drop.map(({ storagePath }) => `${target}/${storagePath}`),
    ),
  )
  const newest = Map.groupBy(readRows(workspace).copies, (one) => `${one.target} ${one.group_id}`)
  for (const copies of newest.values()) {
    const sorted = copies.toSorted((one, other) => other.taken_at - one.taken_at)
    const wrong = sorted.slice(0, 3).find(({ target, key }) => dropped.has(`${target}/${key}`))
    if (wrong) throw new LawBroken(`after adopt the plan would prune ${wrong.key}`)
  }
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
