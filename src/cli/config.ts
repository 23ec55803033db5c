import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { stringify } from 'yaml'
import { initialConfig } from '../config/init.ts'
import { readSchema } from '../config/schema.ts'
import { showConfig } from '../config/show.ts'
import { messageOf, Refused } from '../lib/errors.ts'
import { alertRules } from '../view/alerts.ts'
import type { Context, GlobalFlags } from './context.ts'
import { load } from './opened.ts'

/** `config show`: the config with every default filled in, as JSON; secrets print `***`. */
export async function configShow(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  context.out(JSON.stringify(showConfig(await load(flags, context)), null, 2))
  return 0
}

/** `config schema`: the JSON Schema that the loader checks by and editors explain with. */
export async function configSchema(
  _words: readonly string[],
  _flags: GlobalFlags,
  context: Context,
): Promise<number> {
  context.out(JSON.stringify(await readSchema(), null, 2))
  return 0
}

/** `config alerts`: rules for Prometheus that fit the config, as YAML. */
export async function configAlerts(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const rules = alertRules(await load(flags, context))
  context.out(
    flags.json ? JSON.stringify(rules, null, 2) : stringify(rules, { lineWidth: 0 }).trimEnd(),
  )
  return 0
}

/** `config init [FILE]`: a starter file, commented; never over one that is there. */
export async function configInit(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  const path = resolve(context.cwd, words[0] ?? 'holdfast.yml')
  await writeFile(path, initialConfig(), { flag: 'wx', mode: 0o644 }).catch((cause) => {
    const there = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw new Refused(
      there ? `${path} is there already` : `cannot write ${path}: ${messageOf(cause)}`,
      { cause, at: path, hint: 'name another file: holdfast config init FILE' },
    )
  })
  const next = 'holdfast validate && holdfast plan'
  context.out(flags.json ? JSON.stringify({ path, next }) : `wrote ${path}; edit it, then: ${next}`)
  return 0
}
