import { sayFarewell } from '../act/announce.ts'
import { type Abandonable, abandonRestore, findAbandonable } from '../daemon/abandon.ts'
import { placeWords } from '../daemon/stranded.ts'
import { Refused } from '../lib/errors.ts'
import { iso } from '../lib/time.ts'
import { authorOf } from './author.ts'
import { confirm } from './confirm.ts'
import type { Context, GlobalFlags } from './context.ts'
import { open } from './opened.ts'
import { PATIENCE } from './patience.ts'

export interface AbandonFlags {
  readonly yes?: boolean
  readonly reason?: string
  readonly author?: string
}

/** `restore --abandon ID --reason TEXT`: gives up a restore whose host does not come back; shows what it may leave there. */
export async function restoreAbandon(
  id: string,
  flags: AbandonFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  const { reason } = flags
  if (!reason) {
    throw new Refused('say why the restore is abandoned', {
      hint: `holdfast restore --abandon ${id} --reason "the host is gone"`,
    })
  }
  await using opened = await open(flags, context)
  const { world } = opened
  const found = await findAbandonable(id, world)
  const left = leftWords(found)
  if (!flags.json && !flags.quiet) show(found, left, context)
  await confirm('Abandon it?', flags, context)
  const why = { author: authorOf(flags, context), reason, patience: PATIENCE }
  const { error } = await abandonRestore(id, why, world, context.interrupted)
  await sayFarewell(world)
  if (flags.json) {
    const restore = { id, status: 'failed', error, host: found.who?.host ?? null, left }
    context.out(JSON.stringify({ restore }, null, 2))
  } else context.out(`abandoned restore ${id}: its source is backed up again`)
  return 0
}

function show(
  { restore, who }: Abandonable,
  left: readonly string[],
  { err }: Pick<Context, 'err'>,
): void {
  const { id, key, to, startedAt } = restore
  err(`restore ${id} of ${key} into ${to}, begun ${iso(startedAt)} on ${placeWords(restore, who)}`)
  for (const line of left) err(`     ${line}`)
}

/** What may be left on its host. */
function leftWords({ moves }: Abandonable): readonly string[] {
  if (moves.length === 0) {
    return [
      'nothing was replaced there, but by the program of a command source; what it had staged beside the data may be left',
    ]
  }
  return [
    'it was at its renames there, of which some may be made; that host takes them back when it comes back, else look at:',
    ...moves.map(({ from, to }) => `${from} → ${to}`),
  ]
}
