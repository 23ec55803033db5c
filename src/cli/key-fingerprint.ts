import { allEncryptions } from '../core/encryptions.ts'
import { keyFacts } from '../stream/key-facts.ts'
import { keyTable } from '../view/keys.ts'
import type { Context, GlobalFlags } from './context.ts'
import { load } from './opened.ts'

/** `key fingerprint`: which keys are configured and what each is good for, never a key itself. */
export async function keyFingerprint(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const desired = await load(flags, context)
  const { keys, warnings } = await keyFacts(allEncryptions(desired))
  for (const { message, hint } of warnings) {
    context.err(`warning: ${message}`)
    if (hint !== null) context.err(`  hint: ${hint}`)
  }
  context.out(flags.json ? JSON.stringify({ keys }, null, 2) : keyTable(keys))
  return 0
}
