import { createHash } from 'node:crypto'
import type { Encryption, Facts, OptionValue } from '../core/model.ts'
import { Secret } from '../lib/secret.ts'

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

/** A duration without loss, as a config could hold it: `1d2h3m`. */
export function exactDuration(millis: number): string {
  let rest = millis
  const parts = UNITS.flatMap(([unit, length]) => {
    const count = Math.floor(rest / length)
    rest -= count * length
    return count === 0 ? [] : [`${count}${unit}`]
  })
  return parts.length === 0 ? '0s' : parts.join('')
}

/** An option in words. A secret is `***`. */
export function optionWords(value: OptionValue): string {
  if (value === null) return 'none'
  if (value instanceof Secret) return '***'
  if (typeof value !== 'object') return String(value)
  if (isList(value)) return value.map(optionWords).join(' ')
  return Object.entries(value)
    .map(([key, inner]) => `${key}=${optionWords(inner)}`)
    .join(' ')
}

/**
 * A program's words without what they say: the program, how many there are, and a mark that changes
 * when one of them does.
 */
export function argvWords(argv: OptionValue): string {
  const words = typeof argv === 'object' && argv !== null && isList(argv) ? argv.map(String) : []
  const mark = markOf(JSON.stringify(words))
  return words.length === 1
    ? (words[0] ?? '')
    : `${words[0] ?? ''} … (${words.length} words, ${mark})`
}

/** Tells texts apart that are not to be shown. */
export function markOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 6)
}

function isList(value: object): value is readonly OptionValue[] {
  return Array.isArray(value)
}

/** `none`, or who can open the archives. */
export function encryptionWords(encryption: Encryption | null): string {
  if (encryption === null) return 'none'
  if (encryption.scheme === 'cryptr') {
    const others = encryption.keys.map(({ id }) => id).filter((id) => id !== encryption.active)
    const lock = `cryptr with key ${encryption.active}`
    return others.length === 0 ? lock : `${lock}, opened by ${others.join(', ')} too`
  }
  const { recipients, passphraseFile, identityFiles } = encryption
  const lock =
    passphraseFile === null
      ? `age to ${recipients.join(', ')}`
      : `age, passphrase in ${passphraseFile}`
  return identityFiles.length === 0 ? lock : `${lock}, identities in ${identityFiles.join(', ')}`
}

/** Facts that are there, in the order given: null stands for "not declared". */
export function factsOf(all: readonly (readonly [string, string | null])[]): Facts {
  return Object.fromEntries(all.filter((pair): pair is [string, string] => pair[1] !== null))
}

/** Bytes of the MD5 of a text: no guard, only numbers that stay the same. */
export function md5BytesOf(text: string): readonly number[] {
  return [...createHash('md5').update(text).digest()]
}

/** Short hash of facts: equal facts, whatever their order, have equal fingerprints. */
export function fingerprintOf(facts: Facts): string {
  const sorted = Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16)
}
