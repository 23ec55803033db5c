import type { Bucket } from './bucket.ts'
import { isUnsupported } from './errors.ts'

/** Asks for a write that the server refuses where the key is taken, as far as it knows of such. */
export async function onlyIfNew<T>(
  { learnt }: Bucket,
  ask: (condition: { readonly IfNoneMatch?: '*' }) => Promise<T>,
): Promise<T> {
  if (learnt.conditionalWrites) {
    try {
      return await ask({ IfNoneMatch: '*' })
    } catch (error) {
      if (!isUnsupported(error)) throw error
      learnt.conditionalWrites = false
    }
  }
  return await ask({})
}
