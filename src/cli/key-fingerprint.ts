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
  const { encryption, jobs } = await load(flags, context)
  const { keys, warnings } = await keyFacts([encryption, ...jobs.map((job) => job.encryption)])
  for (const { message, hint } of warnings) {
    context.err(`warning: ${message}`)
    if (hint !== null) context.err(`  hint: ${hint}`)
  }
  context.out(flags.json ? JSON.stringify({ keys }, null, 2) : keyTable(keys))
  return 0
}
