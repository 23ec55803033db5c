import { plan } from '../src/core/plan.ts'
import { deployment } from './plan-scale.ts'

const NOW = Date.UTC(2026, 10, 20, 2, 0, 5) as never
const a = deployment(100),
  b = deployment(1000)
const t = (d: ReturnType<typeof deployment>) => {
  const s = performance.now()
  plan(d.desired, d.observed, NOW)
  return performance.now() - s
}
const A: number[] = [],
  B: number[] = []
for (let i = 0; i < 15; i++) {
  for (let k = 0; k < 3; k++) A.push(t(a))
  B.push(t(b))
}
const m = (x: number[]) => x.toSorted((p, q) => p - q)[x.length >> 1] ?? 0
console.log(
  'first',
  A[0]?.toFixed(0),
  B[0]?.toFixed(0),
  'median',
  m(A).toFixed(1),
  m(B).toFixed(1),
  (m(B) / m(A)).toFixed(1),
  'min',
  Math.min(...A).toFixed(1),
  Math.min(...B).toFixed(1),
)
