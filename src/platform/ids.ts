import { randomBytes } from 'node:crypto'

// Crockford's alphabet, lower case: no i, l, o, u to misread.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new id of 18 characters that sorts by time and fits into file names, keys and references. */
export function newId(now: number): string {
  let time = ''
  for (let rest = now, digit = 0; digit < 9; digit++, rest = Math.floor(rest / 32)) {
    time = ALPHABET.charAt(rest % 32) + time
  }
  return time + Array.from(randomBytes(9), (byte) => ALPHABET.charAt(byte % 32)).join('')
}
