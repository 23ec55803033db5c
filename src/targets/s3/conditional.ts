import { ObjectExists } from '../../lib/errors.ts'
import type { Bucket } from './bucket.ts'
import { isUnsupported } from './errors.ts'
import { head } from './read.ts'

/** Asks for a write that the server refuses where the key is taken, as far as it knows of such. */
export async function onlyIfNew<T>(
  bucket: Bucket,
  key: string,
  ask: (condition: { readonly IfNoneMatch?: '*' }) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { learnt } = bucket
  if (learnt.conditionalWrites) {
    try {
      return await ask({ IfNoneMatch: '*' })
    } catch (error) {
      if (!isUnsupported(error)) throw error
      learnt.conditionalWrites = false
      // Who may not look relied on that condition.
      if (await head(bucket, key, signal)) throw new ObjectExists(key)
    }
  }
  return await ask({})
}
