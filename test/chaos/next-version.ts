import { registerHooks } from 'node:module'

/*
 * Preloaded into an instance (`node --import`): makes it the program of the next schema version. The
 * product knows nothing of it.
 */

const PRESENT = '/src/state/migrations.ts'
const NEXT = new URL('next-migrations.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    // Those of the tests build upon the present ones.
    const isOurs = context.parentURL?.includes('/test/') === true
    return found.url.endsWith(PRESENT) && !isOurs ? { ...found, url: NEXT } : found
  },
})
