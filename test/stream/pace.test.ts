import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/lib/brand.ts'
import { Interrupted } from '../../src/lib/errors.ts'
import { meter } from '../../src/stream/meter.ts'
import { metered } from '../../src/stream/metered.ts'
import { type Clock, throttle } from '../../src/stream/throttle.ts'
import { hashThrough, readThrough } from '../../src/stream/unseal.ts'
import { collect, inChunks, never } from './support.ts'

const _at = (millis: number) => millis as Instant

/** A clock that only sleeping moves. */
function fakeClock(): Clock & { time: number } {
  return {
    time: 0,
    now() {
      return this.time
    },
    async sleep(millis) {
      this.time += millis
    },
  }
}

describe('a throttle', () => {
  it('lets its rate through, over all who share it, and a burst after a rest', async () => {
    const clock = fakeClock()
    const limit = throttle(1000, clock)
    for (let turn = 0; turn < 5; turn++) {
      await limit.take(1000, never)
      await limit.take(1000, never)
    }
    expect(clock.time).toBeGreaterThanOrEqual(8750)
    expect(clock.time).toBeLessThanOrEqual(10_000)
    clock.time += 60_000
    const rested = clock.time
    await limit.take(250, never)
    await limit.take(1, never)
    expect(clock.time).toBe(rested)
    await limit.take(1000, never)
    await limit.take(1, never)
    expect(clock.time).toBeGreaterThan(rested + 900)
  })

  it('bounds every stored byte that is read, of hashes and of whole archives', async () => {
    const taken: number[] = []
    const slow = { take: async (bytes: number) => void taken.push(bytes) }
    const bytes = Buffer.from('some bytes')
    await hashThrough(inChunks(bytes, 3), { throttle: slow }, never)
    await readThrough(inChunks(bytes, 4), { layers: ['raw'], keys: [], throttle: slow }, never)
    expect(taken).toEqual([3, 3, 3, 1, 4, 4, 2])
  })

  it('lets go of a body that hangs, when told to and when patience is over', async () => {
    for (const patience of [null, 20]) {
      let isLeft = false
      const silent: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => {}),
          async return() {
            isLeft = true
            return { done: true, value: undefined }
          },
        }),
      }
      const controller = new AbortController()
      const metering = { gauge: meter(), onBytes: () => {}, throttle: null, patience }
      const reading = collect(metered(silent, metering, controller.signal))
      if (patience === null) controller.abort(new Interrupted('told to stop'))
      await expect(reading).rejects.toThrow(
        /told to stop|nothing more came of the archive for 20ms/,
      )
      expect(isLeft).toBe(true)
    }
  })

  it('stops waiting when told to', async () => {
    const limit = throttle(1)
    const controller = new AbortController()
    await limit.take(100, controller.signal)
    const waiting = limit.take(1, controller.signal)
    const reason = new Interrupted('told to stop')
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(limit.take(1, controller.signal)).rejects.toBe(reason)
  })
})
