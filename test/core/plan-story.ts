import fc from 'fast-check'
import { manifestKey } from '../../src/core/archive-key.ts'
import type { Bytes, Copy, Desired, DesiredJob, Instant } from '../../src/core/model.ts'
import { plan } from '../../src/core/plan.ts'
import { desired, job, lasting, plus, restore, target } from './plan-nouns.ts'
import { act, change, copyKey, createWorld, observe, put, type World } from './plan-world.ts'

/** Something that happens to a deployment; `pick` chooses what it happens to. */
export interface Chapter {
  readonly kind: (typeof KINDS)[number]
  readonly pick: number
}

const KINDS = [
  'pass',
  'pass',
  'pass',
  'pass that fails',
  'pass that is killed early',
  'pass that is killed late',
  'archive lost',
  'manifest lost',
  'archive truncated',
  'foreign object',
  'foreign upload',
  'upload left behind',
  'target away',
  'target unlisted',
  'target back',
  'verified',
  'found damaged',
  'pinned',
  'row lost',
  'restored',
] as const

const FATES = {
  'pass that fails': 'failed',
  'pass that is killed early': 'killed-before-manifest',
  'pass that is killed late': 'killed-after-manifest',
} as const

/** What stands on the first target goes after what stands on the second. */
function inTurn(of: DesiredJob): DesiredJob {
  const [first, second, ...more] = of.targets
  if (!first || !second) throw new Error('two targets are needed')
  return { ...of, targets: [{ ...first, prunedAfter: second.target }, second, ...more] }
}

/** Two jobs with three sources on up to three targets, with retention of every sort. */
export const DEPLOYMENT: Desired = desired(
  [target('nas'), target('usb'), target('vault')],
  [
    inTurn(
      job(
        'shop',
        { sources: ['files', 'db'], targets: ['nas', 'usb'], keep: { keepLast: 2, keepDaily: 3 } },
        {
          require: 1,
          objectives: { rpo: null, rto: null, verifiedWithin: lasting('3d'), drilledWithin: null },
        },
      ),
    ),
    job(
      'logs',
      { targets: ['vault'], keep: { keepLast: 1, keepAtLeast: 2 } },
      { firstRun: 'now', maxDelete: 1, schedule: { cron: '0 */6 * * *', timezone: 'UTC' } },
    ),
  ],
)

export const stories = fc.array(
  fc.record({ kind: fc.constantFrom(...KINDS), pick: fc.nat(1000) }),
  { maxLength: 40 },
)

/** What a story came to: the world, and the keys and tokens in it that are none of ours. */
export interface Told {
  readonly world: World
  readonly foreign: ReadonlySet<string>
}

/** Passes that go well, which most stories begin with; the others begin at the first start. */
const QUIET: readonly Chapter[] = Array.from({ length: 8 }, () => ({ kind: 'pass', pick: 9 }))

/** Lives through a story, three to thirty hours a chapter. */
export function tell(story: readonly Chapter[], start: Instant): Told {
  const world = createWorld(DEPLOYMENT, start)
  const foreign = new Set<string>()
  const before = story.length === 0 || story.length % 3 === 0 ? [] : QUIET
  for (const { kind, pick } of [...before, ...story]) {
    world.now = plus(world.now, `${3 + (pick % 28)}h`)
    happen(world, kind, pick, foreign)
  }
  return { world, foreign }
}

function happen(world: World, kind: Chapter['kind'], pick: number, foreign: Set<string>): void {
  const copies = [...world.copies.values()].filter((one) => one.status === 'complete')
  const one = copies[pick % Math.max(1, copies.length)]
  const shelves = [...world.shelves]
  const [id, shelf] = shelves[pick % shelves.length] ?? []
  if (!id || !shelf) return
  switch (kind) {
    case 'pass':
    case 'pass that fails':
    case 'pass that is killed early':
    case 'pass that is killed late':
      world.fate = () => (kind === 'pass' ? 'success' : FATES[kind])
      world.bytes = () => 900 + (pick % 200)
      act(world, plan(world.desired, observe(world), world.now))
      world.fate = () => 'success'
      return
    case 'foreign object':
      foreign.add(`system/shop/files/foreign-${pick}`)
      put(world, id, `system/shop/files/foreign-${pick}`, 1)
      return
    case 'foreign upload':
      foreign.add(`stranger-${pick}`)
      shelf.unfinished.set(`stranger-${pick}`, upload(`system/shop/db/x`, `stranger-${pick}`))
      return
    case 'upload left behind': {
      const row = [...world.backups.values()][pick % Math.max(1, world.backups.size)]
      if (row) shelf.unfinished.set(row.id, upload(`${row.group}/${row.id}`, row.id))
      return
    }
    case 'target away':
      shelf.state = 'unreachable'
      return
    case 'target unlisted':
      shelf.state = 'unlisted'
      return
    case 'target back':
      shelf.state = 'listed'
      return
    default:
      if (one) mishap(world, kind, one)
  }
}

function mishap(world: World, kind: Chapter['kind'], one: Copy): void {
  const shelf = world.shelves.get(one.target)
  switch (kind) {
    case 'archive lost':
      shelf?.objects.delete(one.key)
      return
    case 'manifest lost':
      shelf?.objects.delete(manifestKey(one.key))
      shelf?.manifests.delete(one.key)
      return
    case 'archive truncated':
      put(world, one.target, one.key, 10)
      return
    case 'verified':
      change(world.copies, copyKey(one), { verify: 'ok', verifiedAt: world.now })
      return
    case 'found damaged':
      change(world.copies, copyKey(one), { verify: 'failed', verifiedAt: world.now })
      return
    case 'pinned':
      shelf?.pins.set(one.key, { target: one.target, key: one.key, reason: 'mine', at: world.now })
      return
    case 'row lost':
      world.copies.delete(copyKey(one))
      return
    case 'restored': {
      const [shop] = world.desired.jobs
      if (shop) world.restores.set('r1', restore('r1', shop, world.now))
      return
    }
  }
}

function upload(key: string, token: string) {
  return { key, token, bytes: 7 as Bytes }
}
