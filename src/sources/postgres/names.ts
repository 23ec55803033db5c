import { createHash } from 'node:crypto'

/** The server cuts longer names without a word, and two could become one. */
const LONGEST_NAME = 63

/** The fresh database that a restore is made in, beside the one it is to replace. */
export function stagedName(database: string, token: string): string {
  return beside(database, `__restoring_${token}`)
}

/** What a replaced database is called until the next success. */
export function previousName(database: string, at: Date): string {
  const time = at
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '')
    .toLowerCase()
  return beside(database, `__before_${time}`)
}

/** Whether a restore of ours gave a database that name. */
export function isOurs(name: string): boolean {
  return isPrevious(name) || /__restoring_[0-9a-z]{18}$/.test(name)
}

export function isPrevious(name: string): boolean {
  return /__before_\d{8}t\d{6}z$/.test(name)
}

/** The name with a suffix; one that would be too long is shortened, and told apart by a hash. */
function beside(database: string, suffix: string): string {
  const whole = database + suffix
  if (Buffer.byteLength(whole) <= LONGEST_NAME) return whole
  const mark = `_${createHash('sha256').update(database).digest('hex').slice(0, 8)}`
  return cut(database, LONGEST_NAME - mark.length - suffix.length) + mark + suffix
}

/** The first so many bytes, no character torn. */
function cut(text: string, bytes: number): string {
  let short = ''
  for (const character of text) {
    if (Buffer.byteLength(short + character) > bytes) break
    short += character
  }
  return short
}
