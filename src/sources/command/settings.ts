import { basename } from 'node:path'
import type { Bytes } from '../../core/model.ts'
import type { Secret } from '../../lib/secret.ts'
import type { Program } from '../../platform/program.ts'

/** A program and its arguments. The arguments may be anybody's business, so only the name is told. */
export type Argv = readonly [string, ...string[]]

/** A command source as the config declares it. */
export interface CommandSettings {
  readonly backup: Argv
  /** Null: the archive can be restored to a file only. */
  readonly restore: Argv | null
  /** With its dot, or `''`. */
  readonly extension: string
  /** The folder that the program fills; relative: in a fresh folder of each run. */
  readonly collect: string | null
  readonly cwd: string | null
  /** Less content than this fails the backup. */
  readonly minSize: Bytes
  readonly env: ReadonlyMap<string, Secret>
}

/** What a program is called where people read. */
export function nameOf([command]: Argv): string {
  return basename(command)
}

/** The environment as the program gets it. */
export function revealed(env: ReadonlyMap<string, Secret>): Readonly<Record<string, string>> {
  return Object.fromEntries([...env].map(([name, value]) => [name, value.reveal()]))
}

/** A program of the config as it is run. */
export function programOf(
  [command, ...args]: Argv,
  { env, cwd }: Pick<CommandSettings, 'env' | 'cwd'>,
): Program {
  return { command, args, env: revealed(env), ...(cwd === null ? {} : { cwd }) }
}

/** Too short to be a secret: masking it would only garble the message. */
const SHORTEST_SECRET = 4

/** Text of a program with the values of its environment masked, should it have printed one. */
export function masked(text: string, env: ReadonlyMap<string, Secret>): string {
  let safe = text
  for (const value of env.values()) {
    const secret = value.reveal()
    if (secret.length >= SHORTEST_SECRET) safe = safe.replaceAll(secret, '***')
  }
  return safe
}
