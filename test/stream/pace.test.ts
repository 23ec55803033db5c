import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/lib/brand.ts'
import { Interrupted } from '../../src/lib/errors.ts'
import { meter } from '../../src/stream/meter.ts'
import { metered } from '../../src/stream/metered.ts'
import { advance, counted, remaining, startPace } from '../../src/stream/progress.ts'
import { type Clock, throttle } from '../../src/stream/throttle.ts'
import { hashThrough, readThrough } from '../../src/stream/unseal.ts'
import { collect, inChunks, never } from './support.ts'

const at = (millis: number) => millis as Instant

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

describe('progress', () => {
  it('counts what passes', async () => {
    const told: number[] = []
    await collect(counted(inChunks(Buffer.alloc(10), 4), (bytes) => told.push(bytes)))
    expect(told).toEqual([4, 8, 10])
  })

  it('knows a steady pace and what remains at it', () => {
    let pace = startPace(at(0))
    expect(remaining(pace, 1000)).toBeNull()
    for (let second = 1; second <= 5; second++)
      pace = advance(pace, second * 100, at(second * 1000))
    expect(pace.bytesPerSecond).toBeCloseTo(100)
    expect(remaining(pace, 1000)).toBeCloseTo(5000)
    expect(remaining(pace, null)).toBeNull()
    expect(remaining(pace, 400)).toBe(0)
  })

  it('follows a change of pace, and is not misled by a clock that stands still', () => {
    let pace = advance(startPace(at(0)), 1000, at(1000))
    expect(advance(pace, 5000, at(1000))).toBe(pace)
    for (let second = 2; second <= 30; second++) pace = advance(pace, 1000, at(second * 1000))
    expect(pace.bytesPerSecond).toBeLessThan(10)
    expect(remaining(advance(pace, 1000, at(10 ** 9)), 2000)).toBeNull()
  })
})
