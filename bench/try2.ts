import { manifestKey } from '../src/core/archive-key.ts'
import { groupedBy } from '../src/core/order.ts'
import { settleAttempts } from '../src/core/plan-attempts.ts'
import { planBackups } from '../src/core/plan-backups.ts'
import { planMissing } from '../src/core/plan-objects.ts'
import { planPrune } from '../src/core/plan-retention.ts'
import { sceneOf } from '../src/core/scene.ts'
import { deployment } from './plan-scale.ts'

const NOW = Date.UTC(2026, 10, 20, 2, 0, 5) as never
const parts: Record<string, number[]> = {}
const time = <T>(n: string, f: () => T): T => {
  const s = performance.now()
  const r = f()
  ;(parts[n] ??= []).push(performance.now() - s)
  return r
}
for (const [name, jobs] of [
  ['S', 100],
  ['L', 1000],
] as const) {
  const d = deployment(jobs)
  for (let i = 0; i < 10; i++) {
    const st = time(name + ' settle', () => settleAttempts(d.desired, d.observed, NOW))
    const sc = time(name + ' scene', () => sceneOf(d.desired, d.observed, st, NOW))
    time(name + ' missing', () => planMissing(sc))
    time(name + ' backups', () => planBackups(sc))
    time(name + ' prune', () => planPrune(sc))
    const l = [...d.observed.listings.values()][0]
    if (l?.kind !== 'listed') throw 1
    time(name + ' .lookups', () => {
      let n = 0
      for (const c of d.observed.history.copies) if (l.objects.get(c.key)?.bytes === c.bytes) n++
      return n
    })
    time(name + ' .manifest lookups', () => {
      let n = 0
      for (const c of d.observed.history.copies) if (l.objects.has(manifestKey(c.key))) n++
      return n
    })
    time(
      name + ' .attempts map',
      () => new Map(d.observed.history.backups.map((one) => [one.id, one])),
    )
    time(name + ' .byGroup', () => groupedBy(d.observed.history.backups, (one) => one.group))
    time(name + ' .iterate objects', () => {
      let prev = '',
        n = 0
      for (const [k] of l.objects) {
        if (k.length === prev.length + 14 && k.startsWith(prev)) n++
        prev = k
      }
      return n
    })
  }
}
for (const [n, x] of Object.entries(parts))
  console.log(n.padEnd(24), (x.toSorted((a, b) => a - b)[5] ?? 0).toFixed(2))
