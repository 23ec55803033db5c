import { setTimeout as sleep } from 'node:timers/promises'

/** Nothing that is waited for takes this long, in milliseconds: a lease that has to end, and a busy machine. */
const LIMIT = 90_000

/** Resolves with what `look` finds, once it finds something; a look that fails finds nothing. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  limit = LIMIT,
): Promise<NonNullable<T> & Exclude<T, false>> {
  const deadline = performance.now() + limit
  let last: unknown = null
  for (;;) {
    try {
      const found = await look()
      if (found !== null && found !== undefined && found !== false)
        return found as NonNullable<T> & Exclude<T, false>
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(`waited in vain until ${what}${last === null ? '' : `: ${last}`}`)
    }
    await sleep(50)
  }
}
