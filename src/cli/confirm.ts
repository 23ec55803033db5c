import { Refused } from '../lib/errors.ts'
import type { Context } from './context.ts'

/** Resolves when a person said yes, or `--yes` stands. Throws `Refused` otherwise: nothing was done. */
export async function confirm(
  question: string,
  flags: { readonly yes?: boolean },
  context: Context,
): Promise<void> {
  if (flags.yes) return
  if (!context.ask)
    throw new Refused('this needs a yes, and there is no terminal to ask on', { hint: 'add --yes' })
  // The end of the input is no yes.
  const said = await context.ask(`${question} [y/N] `).catch(() => '')
  context.interrupted.throwIfAborted()
  const answer = said.trim().toLowerCase()
  if (answer !== 'y' && answer !== 'yes') throw new Refused('not confirmed: nothing was done')
}
