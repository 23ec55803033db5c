import { ASIDE, standsApart } from '../core/archive-key.ts'
import { Refused } from '../lib/errors.ts'

/** Throws `Refused` for a key that would leave the target, or would look like an unfinished object. */
export function checkKey(key: string): void {
  const name = checkPrefix(key)
  if (name === '') throw refused(key, 'must end in a name')
  if (name === '.' || name === '..') throw refused(key, 'must not leave the target')
  if (readPartName(name)) throw refused(key, 'is the name of an unfinished object')
}

/** Throws `Refused` for a prefix that would leave the target. Gives what follows its last slash. */
export function checkPrefix(prefix: string): string {
  if (prefix.includes('\0')) throw refused(prefix, 'must not hold a NUL')
  const parts = prefix.split('/')
  const name = parts.pop() ?? ''
  if (parts.includes('')) throw refused(prefix, 'must be relative, without empty parts')
  if (parts.includes('.') || parts.includes('..'))
    throw refused(prefix, 'must not leave the target')
  return name
}

function refused(key: string, why: string): Refused {
  return new Refused(`object key ${JSON.stringify(key)} ${why}`, { at: key })
}

/** Name of the file that an object called `name` is written to before it is whole. */
export function partName(name: string, token: string): string {
  if (token === '') throw new Refused(`a put of ${name} needs a token`)
  return `.${name}.${encodeURIComponent(token).replaceAll('.', '%2E')}.part`
}

/** The name and token of an unfinished object's file; null for every other file. */
export function readPartName(file: string): { name: string; token: string } | null {
  if (!file.startsWith('.') || !file.endsWith('.part')) return null
  const [, name, token] = /^\.(.+)\.([^.]+)\.part$/s.exec(file) ?? []
  if (name === undefined || token === undefined) return null
  try {
    return { name, token: decodeURIComponent(token) }
  } catch {
    return null
  }
}

/** Where an object stands before it is whole, relative to the target's root: beside its place, or apart. */
export function partPath(key: string, token: string): string {
  checkKey(key)
  const cut = key.lastIndexOf('/') + 1
  const folder = standsApart(key) ? ASIDE : key.slice(0, cut)
  return folder + partName(key.slice(cut), token)
}

/** Key and token of the unfinished object that stands at `path`; null for every other file. */
export function readPartPath(path: string): { key: string; token: string } | null {
  const cut = path.lastIndexOf('/') + 1
  const part = readPartName(path.slice(cut))
  if (part === null) return null
  const folder = path.slice(0, cut)
  const key = folder === ASIDE && standsApart(part.name) ? part.name : folder + part.name
  return { key, token: part.token }
}

/** Whether a listing of `prefix` shows an unfinished object: by its key, or by where it stands. */
export function isUnder(prefix: string, key: string): boolean {
  return key.startsWith(prefix) || (standsApart(key) && (ASIDE + key).startsWith(prefix))
}
