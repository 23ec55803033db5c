import { type Choice, chooseBackups } from '../core/choose.ts'
import { knownJobs, parseReference } from '../core/reference.ts'
import { Refused } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'

/** The backups that the one word of a verb names, a source each. Throws `Refused` and `ReferenceUnknown`. */
export async function chosen(words: readonly string[], world: World): Promise<readonly Choice[]> {
  const [reference, ...rest] = words
  if (reference === undefined || rest.length > 0)
    throw new Refused('say which backup', { hint: 'a reference: job/source@latest' })
  const history = await world.store.history({ depth: 'full', jobs: null })
  return chooseBackups(history, parseReference(reference, knownJobs(world.desired.jobs, history)))
}
