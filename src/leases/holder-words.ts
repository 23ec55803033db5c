import type { Instance } from '../core/fleet.ts'
import type { InstanceId, Instant } from '../core/model.ts'
import { iso } from '../lib/time.ts'
import type { AskDatabase } from './ask-database.ts'
import type { SharedState } from './shared-state.ts'

/** Who holds something, in words for people. Never throws: who cannot be looked up is told by id. */
export type HolderWords = (id: InstanceId | null, until?: Instant) => Promise<string>

/** Looks an instance up once: what is told of it here stays the same for its life. */
export function holderWords(store: SharedState, ask: AskDatabase): HolderWords {
  const known = new Map<InstanceId, Instance>()
  return async (id, until) => {
    if (id === null) return 'another instance'
    if (!known.has(id)) {
      const all = await ask('look who is there', () => store.instances()).catch(() => [])
      known.clear()
      for (const one of all) known.set(one.id, one)
    }
    const who = known.get(id)
    const words = who ? `${who.name} (pid ${who.pid} on ${who.host})` : id
    return `instance ${words}${until === undefined ? '' : ` until ${iso(until)}`}`
  }
}
