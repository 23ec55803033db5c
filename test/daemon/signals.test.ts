import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { listenToSignals, type Signals } from '../../src/cli/signals.ts'

let signals: Signals

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  signals = listenToSignals()
})

afterEach(() => {
  signals.close()
  vi.useRealTimers()
})

function send(signal: NodeJS.Signals): void {
  process.emit(signal, signal)
}

it('takes a signal that follows within a moment for an echo, and a later one for an order', () => {
  const { drain, stop } = signals.orders
  send('SIGTERM')
  expect([drain.aborted, stop.aborted]).toEqual([true, false])
  vi.advanceTimersByTime(240)
  send('SIGINT')
  expect(stop.aborted).toBe(false)
  expect(signals.exitCode()).toBe(143)
  vi.advanceTimersByTime(20)
  send('SIGINT')
  expect(stop.aborted).toBe(true)
  expect(signals.exitCode()).toBe(130)
})

it('asks for a reload at SIGHUP, whoever listens by then, and for nothing else', () => {
  const heard: string[] = []
  send('SIGHUP')
  signals.orders.onReload(() => heard.push('reload'))
  send('SIGHUP')
  expect(heard).toEqual(['reload'])
  expect(signals.orders.drain.aborted).toBe(false)
})
