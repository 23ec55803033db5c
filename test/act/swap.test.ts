import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { recoverSwap, type SwapEntry, type SwapJournal, swap } from '../../src/act/swap.ts'
import type { Instant, RestoreId } from '../../src/core/model.ts'
import { Interrupted, RestoreFailed } from '../../src/lib/errors.ts'
import { exists } from '../../src/platform/files.ts'
import { traced } from '../support/strace.ts'

const CHILD = join(import.meta.dirname, 'swap-child.ts')

describe('swap', () => {
  it.each(SHAPES())('puts the new data in place and keeps the old ($name)', async ({ make }) => {
    const shape = await make()
    const journal = memoryJournal()

    const end = await swap(shape.entry, journal)

    expect(end).toEqual({ kind: 'forward', leftovers: [] })
    await expectForward(shape)
    expect(journal.open).toEqual([])
    expect(await exists(shape.entry.leftovers[0] ?? '')).toBe(false)
  })

  it('is in the journal before its first move', async () => {
    const shape = await wholeFolder()
    const journal = memoryJournal()
    let before: readonly boolean[] = []
    const openJournal: SwapJournal['openJournal'] = async (entry) => {
      before = await Promise.all(shape.entry.moves.map(({ from }) => exists(from)))
      await journal.openJournal(entry)
    }

    await swap(shape.entry, { ...journal, openJournal })

    expect(before).toEqual([true, true])
  })

  it('moves nothing when the journal cannot be written', async () => {
    const shape = await wholeFolder()
    const broken = new Error('disk full')
    const openJournal = () => Promise.reject(broken)

    await expect(swap(shape.entry, { ...memoryJournal(), openJournal })).rejects.toBe(broken)

    await expectBack(shape)
  })

  it('refuses before it begins when a place is taken or staged data is missing', async () => {
    for (const spoil of [
      (shape: Shape) => writeFile(shape.entry.previous ?? '', 'foreign'),
      (shape: Shape) => rm(shape.entry.moves.at(-1)?.from ?? '', { recursive: true }),
    ]) {
      const shape = await wholeFolder()
      const journal = memoryJournal()
      await spoil(shape)

      const refusal = swap(shape.entry, journal)

      await expect(refusal).rejects.toBeInstanceOf(RestoreFailed)
      await expect(refusal).rejects.toThrow(/nothing was moved: .* (exists already|is missing)/)
      expect(await treeOf(shape.place)).toEqual(shape.old)
      expect(journal.open).toEqual([])
    }
  })

  it.each(SHAPES())('takes every move back when one fails ($name)', async ({ make }) => {
    const shape = await make()
    const journal = memoryJournal()
    const last = shape.entry.moves.at(-1) ?? { from: '', to: '' }
    const signal = between(shape.entry.moves.length, () => rmSync(last.from, { recursive: true }))

    const refusal = swap(shape.entry, journal, { signal })

    await expect(refusal).rejects.toThrow('the old data is in place')
    await expect(refusal).rejects.toBeInstanceOf(RestoreFailed)
    expect(await treeOf(shape.place)).toEqual(shape.old)
    expect(await remaining(shape)).toEqual(staged(shape).slice(0, -1))
    expect(journal.open).toEqual([])
  })

  it('takes its moves back when something is mounted on an entry', async () => {
    const shape = await entryByEntry()
    const mount = join(shape.place, 'same')
    execFileSync('mount', ['--bind', mount, mount])
    const refusal = await swap(shape.entry, memoryJournal()).catch((error: unknown) => error)
    execFileSync('umount', [mount])

    expect(refusal).toBeInstanceOf(RestoreFailed)
    expect(refusal).toMatchObject({ message: expect.stringContaining('EBUSY') })
    await expectBack(shape)
  })

  it('takes its moves back when it is told to stop, and gives that reason', async () => {
    const shape = await entryByEntry()
    const journal = memoryJournal()
    const controller = new AbortController()
    const reason = new Interrupted('told to stop')
    const signal = between(3, () => controller.abort(reason), controller.signal)

    await expect(swap(shape.entry, journal, { signal })).rejects.toBe(reason)

    await expectBack(shape)
    expect(journal.open).toEqual([])
  })

  it('stays in the journal when it can be neither made nor taken back, and is ended later', async () => {
    const shape = await wholeFolder()
    const journal = memoryJournal()
    const signal = between(2, () => writeFileSync(shape.place, 'foreign'))

    await expect(swap(shape.entry, journal, { signal })).rejects.toThrow(
      'taking it back failed too',
    )

    expect(journal.open).toEqual([shape.entry])
    expect(await treeOf(shape.entry.previous ?? '')).toEqual(shape.old)
    expect(await readFile(shape.place, 'utf8')).toBe('foreign')
    await expect(recoverSwap(shape.entry, journal)).rejects.toBeInstanceOf(RestoreFailed)
    expect(journal.open).toEqual([shape.entry])
    await rm(shape.place)
    expect(await recoverSwap(shape.entry, journal)).toMatchObject({ kind: 'forward' })
    await expectForward(shape)
  })

  it('never removes a leftover that holds what it is to keep', async () => {
    const shape = await wholeFolder()
    const root = dirname(shape.place)

    const end = await swap({ ...shape.entry, leftovers: [root] }, memoryJournal())

    expect(end).toEqual({ kind: 'forward', leftovers: [root] })
    expect(await treeOf(shape.place)).toEqual(shape.fresh)
  })

  it('syncs both folders of each move before the next', async () => {
    const shape = await entryByEntry()
    const run = await child('swap', shape, [])

    const calls = run.calls.filter((call) => /^(rename|fsync)/.test(call))
    const names = calls.map((call) => call.replaceAll(`${shape.place}`, '').replace(/\(\d+/, '('))
    expect(names.length).toBe(shape.entry.moves.length * 3)
    for (const [index, { from, to }] of shape.entry.moves.entries()) {
      const [moved, first, second] = names.slice(index * 3)
      const short = (path: string) => path.slice(shape.place.length)
      expect(moved).toContain(`rename("${short(from)}", "${short(to)}")`)
      expect(first).toContain(`fsync(<${short(dirname(to))}>)`)
      expect(second).toContain(`fsync(<${short(dirname(from))}>)`)
    }
  })
})

describe('recoverSwap', () => {
  it.each(SHAPES())('finishes after a kill at any rename or sync ($name)', async ({ make }) => {
    const counts = new Set<number>()
    for (const call of ['rename', 'fsync']) {
      for (let when = 1; ; when++) {
        const shape = await make()
        const run = await child('swap', shape, [`${call}:signal=KILL:when=${when}`])
        if (run.stdout !== '') break // there are no more calls of that name
        counts.add(await movesMade(shape))
        const journal = memoryJournal([shape.entry])

        expect(await recoverSwap(shape.entry, journal)).toEqual({ kind: 'forward', leftovers: [] })

        await expectForward(shape)
        expect(journal.open).toEqual([])
        expect(await recoverSwap(shape.entry, journal)).toMatchObject({ kind: 'forward' })
        await expectForward(shape)
      }
    }
    const { length } = (await make()).entry.moves
    expect([...counts].sort()).toEqual(expect.arrayContaining([...Array(length).keys()]))
  })

  it('finishes although it was itself killed at any rename or sync', async () => {
    for (const call of ['rename', 'fsync']) {
      for (let when = 1; ; when++) {
        const shape = await wholeFolder()
        await makeMoves(shape, 1)
        const run = await child('recover', shape, [`${call}:signal=KILL:when=${when}`])
        if (run.stdout !== '') break

        expect(await recoverSwap(shape.entry, memoryJournal())).toMatchObject({ kind: 'forward' })

        await expectForward(shape)
      }
    }
  })

  it.each(SHAPES())(
    'goes back from any count of moves when staged data is lost ($name)',
    async ({ make }) => {
      const { length } = (await make()).entry.moves
      for (let made = 0; made < length; made++) {
        const shape = await make()
        await makeMoves(shape, made)
        const lost = shape.entry.moves.at(-1)?.from ?? ''
        await rm(lost, { recursive: true })
        const journal = memoryJournal([shape.entry])

        const end = await recoverSwap(shape.entry, journal)

        expect(end).toEqual({ kind: 'back', leftovers: shape.entry.leftovers })
        expect(await treeOf(shape.place)).toEqual(shape.old)
        expect(await remaining(shape)).toEqual(staged(shape).slice(0, -1))
        expect(journal.open).toEqual([])
        expect(await recoverSwap(shape.entry, journal)).toMatchObject({ kind: 'back' })
        expect(await treeOf(shape.place)).toEqual(shape.old)
      }
    },
  )

  it('goes back although the staging folder itself was swept away', async () => {
    const shape = await entryByEntry()
    await makeMoves(shape, 4)
    await rm(shape.entry.leftovers[0] ?? '', { recursive: true })

    expect(await recoverSwap(shape.entry, memoryJournal())).toMatchObject({ kind: 'back' })

    expect(await treeOf(shape.place)).toEqual(shape.old)
  })

  it('goes back when a move can no longer be made', async () => {
    const shape = await entryByEntry()
    await makeMoves(shape, 1)
    const mount = join(shape.place, 'same')
    execFileSync('mount', ['--bind', mount, mount])
    const journal = memoryJournal([shape.entry])
    const end = await recoverSwap(shape.entry, journal).finally(() =>
      execFileSync('umount', [mount]),
    )

    expect(end.kind).toBe('back')
    await expectBack(shape)
    expect(journal.open).toEqual([])
  })

  it('moves nothing when something foreign came into the place, and says what is where', async () => {
    const shape = await wholeFolder()
    await makeMoves(shape, 1)
    await writeFile(shape.place, 'made by an application that came up first')
    const journal = memoryJournal([shape.entry])

    const refusal = recoverSwap(shape.entry, journal)

    await expect(refusal).rejects.toBeInstanceOf(RestoreFailed)
    await expect(refusal).rejects.toThrow(
      `${shape.place} (there) → ${shape.entry.previous} (there)`,
    )
    expect(await treeOf(shape.entry.previous ?? '')).toEqual(shape.old)
    expect(await treeOf(shape.entry.moves.at(-1)?.from ?? '')).toEqual(shape.fresh)
    expect(journal.open).toEqual([shape.entry])
  })

  it('moves nothing when the old data is gone, so that the new is not lost too', async () => {
    const shape = await wholeFolder()
    await rm(shape.place, { recursive: true })

    await expect(recoverSwap(shape.entry, memoryJournal())).rejects.toBeInstanceOf(RestoreFailed)

    expect(await treeOf(shape.entry.moves.at(-1)?.from ?? '')).toEqual(shape.fresh)
  })
})

/** Data in a place, other data staged for it, and the moves that exchange them. */
interface Shape {
  readonly entry: SwapEntry
  readonly place: string
  readonly old: Tree
  readonly fresh: Tree
  /** What lies at `previous` after the swap. */
  readonly replaced: Tree
}

type Tree = Readonly<Record<string, string>>

function SHAPES() {
  return [
    { name: 'whole folder', make: wholeFolder },
    { name: 'entry by entry', make: entryByEntry },
    { name: 'a database and its companions', make: database },
    { name: 'nothing there before', make: nothingBefore },
  ]
}

async function wholeFolder(): Promise<Shape> {
  const root = await folder()
  const [place, previous, staging] = ['data', '.data.previous', '.data.staging'].map((name) =>
    join(root, name),
  ) as [string, string, string]
  const old = await grow(place, { 'a/one': 'old one', two: 'old two' })
  const fresh = await grow(join(staging, 'tree'), { 'a/one': 'new one', three: 'new three' })
  const moves = [
    { from: place, to: previous },
    { from: join(staging, 'tree'), to: place },
  ]
  return { entry: entryOf(moves, previous, [staging]), place, old, fresh, replaced: old }
}

/** As inside a mount point, which cannot be renamed itself. */
async function entryByEntry(): Promise<Shape> {
  const place = await folder()
  const [previous, staging] = [join(place, '.previous'), join(place, '.staging')]
  await mkdir(previous)
  const old = await grow(place, { 'old-only/x': 'old', 'same/x': 'old', file: 'old' })
  const fresh = await grow(staging, { 'same/y': 'new', file: 'new', 'new-only': 'new' })
  const moves = [
    ...['old-only', 'same', 'file'].map((name) => ({
      from: join(place, name),
      to: join(previous, name),
    })),
    ...['same', 'file', 'new-only'].map((name) => ({
      from: join(staging, name),
      to: join(place, name),
    })),
  ]
  return { entry: entryOf(moves, previous, [staging]), place, old, fresh, replaced: old }
}

async function database(): Promise<Shape> {
  const place = await folder()
  const previous = join(place, '.previous')
  const staging = join(place, '.staging')
  await mkdir(previous)
  const old = await grow(place, { db: 'old', 'db-wal': 'old wal', 'db-shm': 'old shm' })
  const fresh = await grow(staging, { db: 'new' })
  const aside = ['db-wal', 'db-shm', 'db'].map((name) => ({
    from: join(place, name),
    to: join(previous, name),
  }))
  const moves = [...aside, { from: join(staging, 'db'), to: join(place, 'db') }]
  return { entry: entryOf(moves, previous, [staging]), place, old, fresh, replaced: old }
}

async function nothingBefore(): Promise<Shape> {
  const root = await folder()
  const [place, staging] = [join(root, 'data'), join(root, '.staging')]
  const fresh = await grow(join(staging, 'tree'), { one: 'new' })
  const moves = [{ from: join(staging, 'tree'), to: place }]
  return { entry: entryOf(moves, null, [staging]), place, old: {}, fresh, replaced: {} }
}

function entryOf(
  moves: SwapEntry['moves'],
  previous: string | null,
  leftovers: readonly string[],
): SwapEntry {
  const fixed = { id: 'entry', openedAt: 0 as Instant, restore: 'restore-1' as RestoreId } as const
  return { ...fixed, kind: 'swap', moves, previous, leftovers }
}

async function expectForward(shape: Shape): Promise<void> {
  expect(await treeOf(shape.place)).toEqual(shape.fresh)
  if (shape.entry.previous) expect(await treeOf(shape.entry.previous)).toEqual(shape.replaced)
}

async function expectBack(shape: Shape): Promise<void> {
  expect(await treeOf(shape.place)).toEqual(shape.old)
  expect(await remaining(shape)).toEqual(staged(shape))
}

function isStaged(move: { readonly from: string }): boolean {
  return move.from.includes('staging')
}

function staged(shape: Shape): readonly string[] {
  return shape.entry.moves.filter(isStaged).map(({ from }) => from)
}

/** What of the staged data is still staged. */
async function remaining(shape: Shape): Promise<readonly string[]> {
  const paths: string[] = []
  for (const move of shape.entry.moves.filter(isStaged)) {
    if (await exists(move.from)) paths.push(move.from)
  }
  return paths
}

async function makeMoves(shape: Shape, count: number): Promise<void> {
  for (const move of shape.entry.moves.slice(0, count)) await rename(move.from, move.to)
}

/** Every staged piece that left, and every old piece that went aside, is one move. */
async function movesMade(shape: Shape): Promise<number> {
  const staged = shape.entry.moves.filter(isStaged)
  const aside = shape.entry.moves.filter((move) => !isStaged(move))
  const arrived = await Promise.all(aside.map(({ to }) => exists(to)))
  return staged.length - (await remaining(shape)).length + arrived.filter(Boolean).length
}

function child(verb: string, shape: Shape, inject: readonly string[]) {
  const [entryPath, journalPath] = [`${shape.place}.entry.json`, `${shape.place}.journal.json`]
  onTestFinished(() => {
    for (const path of [entryPath, journalPath]) rmSync(path, { force: true })
  })
  writeFileSync(entryPath, JSON.stringify(shape.entry))
  if (verb === 'recover') writeFileSync(journalPath, JSON.stringify(shape.entry))
  return traced([CHILD, verb, entryPath, journalPath], 'rename,fsync', inject)
}

/** A signal that does `deed` when it is asked before move number `move`. */
function between(move: number, deed: () => void, signal = new AbortController().signal) {
  let asked = -1 // once before the journal is written
  signal.throwIfAborted = () => {
    if (++asked === move) deed()
    if (signal.aborted) throw signal.reason
  }
  return signal
}

function memoryJournal(open: SwapEntry[] = []) {
  return {
    open,
    openJournal: async (entry: Parameters<SwapJournal['openJournal']>[0]) => {
      if (entry.kind === 'swap') open.push(entry)
    },
    closeJournal: async (id: string) => {
      open.splice(0, open.length, ...open.filter((entry) => entry.id !== id))
    },
  }
}

async function grow(root: string, tree: Tree): Promise<Tree> {
  for (const [path, content] of Object.entries(tree)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return tree
}

/** Files below a folder with their content; hidden folders and our own files left out. */
async function treeOf(root: string): Promise<Tree> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const tree: Record<string, string> = {}
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name).slice(root.length + 1)
    if (entry.isFile() && !path.startsWith('.'))
      tree[path] = await readFile(join(root, path), 'utf8')
  }
  return tree
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-swap-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}
