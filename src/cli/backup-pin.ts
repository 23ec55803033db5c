import { pin, unpin } from '../act/pin.ts'
import type { Choice } from '../core/choose.ts'
import { chosen } from './chosen.ts'
import type { Context, GlobalFlags } from './context.ts'
import { open } from './opened.ts'

export interface PinFlags {
  readonly reason?: string
}

/** `backup pin REF [--reason]`: keeps every copy of it whatever retention says. */
export async function backupPin(
  words: readonly string[],
  flags: PinFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  const choices = await chosen(words, world)
  for (const copy of choices.flatMap(({ copies }) => copies))
    await pin(copy, flags.reason ?? 'pinned by command', world, context.interrupted)
  tell('pinned', choices, flags, context)
  return 0
}

/** `backup unpin REF`: gives it back to retention. */
export async function backupUnpin(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  const choices = await chosen(words, world)
  for (const copy of choices.flatMap(({ copies }) => copies))
    await unpin(copy, world, context.interrupted)
  tell('unpinned', choices, flags, context)
  return 0
}

function tell(
  what: 'pinned' | 'unpinned',
  choices: readonly Choice[],
  flags: GlobalFlags,
  context: Context,
): void {
  if (flags.json) {
    const copies = choices.flatMap(({ backup: { id, job, source }, copies: made }) =>
      made.map(({ target, key }) => ({ id, job, source, target, storagePath: key })),
    )
    context.out(JSON.stringify({ [what]: copies }, null, 2))
  } else {
    for (const { backup } of choices)
      context.out(`${what} ${backup.job}/${backup.source}@${backup.id}`)
  }
}
