import { afterEach, describe, expect, it, vi } from 'vitest'
import { startTimer, unlessAborted, withTimeLimit } from '../../src/lib/limits.ts'

const DAY = 24 * 60 * 60_000

afterEach(() => vi.useRealTimers())

describe('a time limit', () => {
  it('of more days than a timer of the platform holds comes at its time, not at once', () => {
    vi.useFakeTimers()
    const limited = withTimeLimit(new AbortController().signal, 60 * DAY, 'the backup')
    vi.advanceTimersByTime(60 * DAY - 1)
    expect(limited.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(limited.reason).toMatchObject({ code: 'time_limit' })
  })

  it('never comes once it was cancelled, in whichever slice', () => {
    vi.useFakeTimers()
    let fired = false
    const timer = startTimer(60 * DAY, () => {
      fired = true
    })
    vi.advanceTimersByTime(40 * DAY)
    timer.cancel()
    vi.advanceTimersByTime(40 * DAY)
    expect(fired).toBe(false)
  })
})

describe('work that hangs', () => {
  it('is left behind after the grace, and not before: what ends within it counts', async () => {
    const reason = new Error('stop')
    const aborted = AbortSignal.abort(reason)
    await expect(unlessAborted(new Promise(() => {}), aborted, 20)).rejects.toBe(reason)
    await expect(unlessAborted(new Promise(() => {}), aborted)).rejects.toBe(reason)
    const soon = new Promise((resolve) => setImmediate(resolve, 'done'))
    expect(await unlessAborted(soon, aborted, 5_000)).toBe('done')
  })
})
