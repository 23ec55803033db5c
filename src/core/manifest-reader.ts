import { ManifestDamaged, type ManifestRefused } from '../lib/errors.ts'
import { iso, parseInstant } from '../lib/time.ts'
import type { Instant } from './model.ts'

/** A JSON object as read. */
export type Fields = Readonly<Record<string, unknown>>

/** Reads one block of a manifest, key by key. Every reader throws `ManifestRefused` naming the key. */
export interface FieldReader {
  text(key: string): string
  textOrNull(key: string): string | null
  /** A name or id: not empty, on one line, not longer than names are. */
  name(key: string): string
  nameOrNull(key: string): string | null
  /** A whole number, 0 or more, that no digit was lost of. */
  count(key: string): number
  instant(key: string): Instant
  instantOrNull(key: string): Instant | null
  /** 64 lower-case hex digits. */
  sha256(key: string): string
  texts(key: string): readonly string[]
  block(key: string): FieldReader
  blockOrNull(key: string): FieldReader | null
  /** Every key and value, unread. */
  entries(): readonly (readonly [string, unknown])[]
  refuse(key: string, why: string): ManifestRefused
}

const LONGEST_NAME = 512

/** Reads `fields`, the block at `path` of the manifest; the top level's path is empty. */
export function reading(fields: Fields, path = ''): FieldReader {
  const refuse = (key: string, why: string) =>
    new ManifestDamaged(`manifest is broken: ${path}${key} ${why}`)

  function typed<T>(key: string, is: (value: unknown) => value is T, what: string): T {
    const value = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (value === undefined) throw refuse(key, 'is missing')
    if (!is(value)) throw refuse(key, `has to be ${what}`)
    return value
  }
  const orNull = <T>(key: string, read: (key: string) => T): T | null =>
    fields[key] === null ? null : read(key)

  const text = (key: string) => typed(key, isText, 'text')
  const name = (key: string) => typed(key, isName, 'a name: not empty, one line, not too long')
  const instant = (key: string) => {
    const written = text(key)
    const at = parseInstant(written)
    if (at === null || iso(at) !== written)
      throw refuse(key, 'has to be a time as 2026-11-20T02:00:00.000Z')
    return at
  }
  const block = (key: string) => reading(typed(key, isFields, 'a block'), `${path}${key}.`)

  return {
    text,
    textOrNull: (key) => orNull(key, text),
    name,
    nameOrNull: (key) => orNull(key, name),
    count: (key) => typed(key, isCount, 'a whole number, 0 or more'),
    instant,
    instantOrNull: (key) => orNull(key, instant),
    sha256: (key) => typed(key, isSha256, '64 hex digits'),
    texts: (key) => typed(key, isTexts, 'a list of texts'),
    block,
    blockOrNull: (key) => orNull(key, block),
    entries: () => Object.entries(fields),
    refuse,
  }
}

/** Whether a value is a JSON object, neither null nor a list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is a list of strings. */
export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isName(value: unknown): value is string {
  return isText(value) && value.length > 0 && value.length <= LONGEST_NAME && !hasControl(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isSha256(value: unknown): value is string {
  return isText(value) && /^[0-9a-f]{64}$/.test(value)
}

/** Line breaks and whatever else a terminal would obey. */
export function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
