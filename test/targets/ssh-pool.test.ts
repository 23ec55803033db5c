import { expect, it } from 'vitest'
import { makePool } from '../../src/targets/ssh/pool.ts'
import { ConnectionLost } from '../../src/targets/ssh/refusal.ts'
import type { Session } from '../../src/targets/ssh/session.ts'

/** A session that nothing is asked of. */
async function open(): Promise<Session> {
  const tellers: (() => void)[] = []
  let gone: ConnectionLost | null = null
  return {
    isOpenSsh: true,
    ask: () => Promise.reject(new Error('nothing is asked')),
    lost: () => gone,
    onLost: (tell) => void tellers.push(tell),
    rest() {},
    wake() {},
    end() {
      gone = new ConnectionLost('it was put away')
      for (const tell of tellers) tell()
    },
  }
}

it('gives nobody a connection in doubt, which ends with the last of its other users', async () => {
  const pool = makePool({ idle: 60_000 })
  const leases = await Promise.all(Array.from({ length: 8 }, () => pool.lease('nas', open)))
  const [doubter] = leases
  if (!doubter) throw new Error('there are eight')
  const { session } = doubter
  const others = leases.filter((one) => one !== doubter && one.session === session)
  expect(others.length).toBe(1)

  doubter.abandon()
  expect(session.lost()).toBeNull()
  const later = await Promise.all(Array.from({ length: 8 }, () => pool.lease('nas', open)))
  for (const one of later) expect(one.session).not.toBe(session)
  for (const one of others) one[Symbol.dispose]()

  // Whoever doubts it may hang on it for ever.
  expect(session.lost()).not.toBeNull()
  for (const one of [...leases, ...later]) one[Symbol.dispose]()
})
