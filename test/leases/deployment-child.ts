import type { InstanceId } from '../../src/core/model.ts'
import { openSqliteStore } from '../../src/state/sqlite.ts'
import { granted, openMember } from './fleet.ts'

/** A process of its own that takes one lease, and confirms it all the time. */
export type Told =
  | { readonly kind: 'granted'; readonly fence: number }
  /** It stops itself now, between two questions to the database. */
  | { readonly kind: 'stopping' }
  /** `lastAt`: when a confirmation that held was asked for last, in milliseconds since 1970. */
  | { readonly kind: 'lost'; readonly code: string; readonly lastAt: number }

const [folder = '', name = '', redis = ''] = process.argv.slice(2)
const store = await openSqliteStore({ path: `${folder}/state.db` })
const { leases } = await openMember(`child-${process.pid}` as InstanceId, store, {
  ...(redis === '' ? {} : { redis }),
})
const lease = await granted(leases, name)
const tell = (what: Told) => new Promise((sent) => process.send?.(what, sent))

process.on('message', async () => {
  await leases.beat()
  await tell({ kind: 'stopping' })
  process.kill(process.pid, 'SIGSTOP')
})
process.on('disconnect', () => process.exit())
await tell({ kind: 'granted', fence: lease.fence })

let lastAt = 0
for (;;) {
  try {
    const at = Date.now()
    await lease.confirm()
    lastAt = at
  } catch {
    const { code } = lease.signal.reason
    await tell({ kind: 'lost', code, lastAt })
    break
  }
  await new Promise((soon) => setTimeout(soon, 5))
}
