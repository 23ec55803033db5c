import type { Target } from '../targets/target.ts'

/** Removes one object. Throws `ObjectRetained` when the place does not let it go. */
export async function removeOne(target: Target, key: string, signal: AbortSignal): Promise<void> {
  const [retained] = (await target.remove([key], signal)).values()
  if (retained) throw retained
}
