import type { Warning } from '../core/observed.ts'
import { statusOf } from '../core/status.ts'
import { onRestart, RESTORE_VARIABLES } from '../daemon/boot.ts'
import type { World } from '../observe/world.ts'
import { renderStatus, statusJson } from '../view/status.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'

const OBJECTIVE_MISSED = 4

/** `status`: how things stand, for a person or a script; 4 when an objective is missed. */
export async function status(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world, desired } = opened
  const { observed, plan } = await lookAround(world, context, null)
  const warnings = [...(await bootWarning(world, context)), ...plan.warnings]
  const stands = statusOf(desired, observed, warnings, world.now())
  const color = context.terminal.color && flags.color
  context.out(
    flags.json ? JSON.stringify(statusJson(stands), null, 2) : renderStatus(stands, { color }),
  )
  return stands.jobs.some(({ rpoMet }) => rpoMet === false) ? OBJECTIVE_MISSED : 0
}

/** The variable that asks for a restore, set here or in the environment of the daemon. */
async function bootWarning(world: World, context: Context): Promise<readonly Warning[]> {
  const here = RESTORE_VARIABLES.find((name) => context.env[name])
  const variable = here ?? (await world.store.fact('restore.variable'))
  if (variable === null) return []
  return [
    {
      rule: 'restore-variable-set',
      subject: variable,
      message: `${variable} is set: ${onRestart(world.desired)}`,
      hint: 'remove it from the environment now',
    },
  ]
}
