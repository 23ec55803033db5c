import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { fanOut } from '../../src/stream/fan-out.ts'
import { collect, inChunks } from './support.ts'

const CHUNK = Buffer.alloc(10)

/** A body of `count` chunks that tells how far it was read and whether it was let go. */
function watched(count: number, failure: Error | null = null) {
  const seen = { read: 0, ended: false }
  async function* body() {
    try {
      for (; seen.read < count; seen.read++) yield CHUNK
      if (failure) throw failure
    } finally {
      seen.ended = true
    }
  }
  return { seen, body: body() }
}

describe('a fan-out', () => {
  it('gives every consumer all the bytes, in order, however they come', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 })
    const law = fc.asyncProperty(sizes, fc.integer({ min: 1, max: 4 }), async (cuts, count) => {
      const bytes = randomBytes(20_000)
      const all = await Promise.all(fanOut(inChunks(bytes, ...cuts), count).map(collect))
      expect(all.map((one) => one.equals(bytes))).toEqual(Array(count).fill(true))
    })
    await fc.assert(law, { numRuns: 50 })
  })

  it('reads no further ahead than a few chunks', async () => {
    const { seen, body } = watched(1000)
    const [fast, slow] = fanOut(body, 2)
    if (!fast || !slow) throw new Error('too few')
    const reading = collect(fast)
    await slow[Symbol.asyncIterator]().next()
    await new Promise(setImmediate)
    expect(seen.read).toBeLessThan(10)
    const rest = await collect(slow)
    expect((await reading).length).toBe(10_000)
    expect(rest.length).toBe(9_990)
  })

  it('is not held up by a consumer that failed, stopped, or never began', async () => {
    const { seen, body } = watched(100)
    const [good, failing, stopped, idle] = fanOut(body, 4)
    if (!good || !failing || !stopped || !idle) throw new Error('too few')
    const reading = collect(good)
    const broken = (async () => {
      for await (const _ of failing) throw new Error('disk full')
    })()
    await expect(broken).rejects.toThrow('disk full')
    for await (const _ of stopped) break
    await idle[Symbol.asyncIterator]().return?.()
    expect((await reading).length).toBe(1000)
    expect(await collect(idle)).toHaveLength(0)
    expect(seen).toEqual({ read: 100, ended: true })
  })

  it('drops a consumer that takes nothing for too long while others go on, and only then', async () => {
    const stalled: [number, string][] = []
    const stalls = {
      limit: 30,
      onStall: (index: number, { message }: Error) => void stalled.push([index, message]),
    }
    const [good, hung] = fanOut(watched(100).body, 2, stalls)
    if (!good || !hung) throw new Error('too few')
    const began = hung[Symbol.asyncIterator]()
    await began.next()
    expect((await collect(good)).length).toBe(1000)
    expect(stalled).toEqual([[1, 'the target took nothing for 30ms']])
    await expect(began.next()).rejects.toThrow('took nothing')
  })

  it('drops the last consumer that hangs as well, and lets the body go', async () => {
    const stalled: number[] = []
    const stalls = { limit: 30, onStall: (index: number) => void stalled.push(index) }
    const { seen, body } = watched(100)
    const hung = fanOut(body, 2, stalls).map((one) => one[Symbol.asyncIterator]())
    await Promise.all(hung.map((one) => one.next()))
    await vi.waitUntil(() => seen.ended, { timeout: 20_000 })
    expect(stalled.sort()).toEqual([0, 1])
    for (const one of hung) await expect(one.next()).rejects.toThrow('took nothing')
  })

  it('tells every consumer of a failure of the body', async () => {
    const failure = new Error('torn')
    const outcomes = fanOut(watched(3, failure).body, 3).map((one) => collect(one))
    for (const outcome of outcomes) await expect(outcome).rejects.toBe(failure)
  })

  it('lets the body go when nobody is left', async () => {
    const { seen, body } = watched(100)
    const branches = fanOut(body, 2)
    for (const branch of branches) for await (const _ of branch) break
    expect(seen.ended).toBe(true)
    expect(seen.read).toBeLessThan(10)
  })
})
