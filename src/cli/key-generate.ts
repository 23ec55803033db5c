import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { messageOf, Refused } from '../lib/errors.ts'
import { codeOf, syncFolder } from '../platform/files.ts'
import { type NewKey, newAgeKey, newCryptrKey } from '../stream/new-key.ts'
import type { Context, GlobalFlags } from './context.ts'

export interface GenerateFlags {
  readonly cryptr?: boolean
  readonly id?: string
  readonly out?: string
}

/** `key generate [--cryptr] [--id ID] [--out FILE]`: a new key, on stdout or in a file of its own. */
export async function keyGenerate(
  _words: readonly string[],
  { cryptr = false, id, out, json = false }: GenerateFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  if (id !== undefined && !cryptr) {
    throw new Refused('only a key of cryptr has an id', { hint: 'holdfast key generate --cryptr' })
  }
  const key = cryptr ? newCryptrKey(id) : await newAgeKey(context.now())
  const path = out === undefined ? null : resolve(context.cwd, out)
  if (path !== null) await write(path, key)
  const secret = path === null ? key.text.reveal() : null
  if (json) {
    context.out(JSON.stringify({ scheme: key.scheme, id: key.id, path, secret }, null, 2))
    return 0
  }
  if (secret !== null) context.out(secret)
  context.err(`${key.scheme === 'age' ? 'Public key' : 'Key id'}: ${key.id}`)
  return 0
}

/** Durable when it resolves: what is closed with a key that was lost stays closed. */
async function write(path: string, { text }: NewKey): Promise<void> {
  try {
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(`${text.reveal()}\n`)
    await file.sync()
  } catch (cause) {
    const isThere = codeOf(cause) === 'EEXIST'
    const why = isThere ? `${path} is there already` : `cannot write ${path}: ${messageOf(cause)}`
    throw new Refused(why, { cause, at: path, hint: 'name another file with --out' })
  }
  await syncFolder(dirname(path))
}
