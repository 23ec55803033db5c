/** A field of the crate's patterns: the numbers it takes, and the names of some of them. */
interface Field {
  readonly what: string
  readonly min: number
  readonly max: number
  /** By name in lower case. */
  readonly names: Readonly<Record<string, number>>
  /** Whether `?` stands for every number. */
  readonly any: boolean
}

const NO_NAMES = {}
const MONTHS = numbered([
  ['jan', 'january'],
  ['feb', 'february'],
  ['mar', 'march'],
  ['apr', 'april'],
  ['may'],
  ['jun', 'june'],
  ['jul', 'july'],
  ['aug', 'august'],
  ['sep', 'september'],
  ['oct', 'october'],
  ['nov', 'november'],
  ['dec', 'december'],
])
const WEEKDAYS = numbered([
  ['sun', 'sunday'],
  ['mon', 'monday'],
  ['tue', 'tues', 'tuesday'],
  ['wed', 'wednesday'],
  ['thu', 'thurs', 'thursday'],
  ['fri', 'friday'],
  ['sat', 'saturday'],
])

const FIELDS: readonly Field[] = [
  { what: 'second', min: 0, max: 59, names: NO_NAMES, any: false },
  { what: 'minute', min: 0, max: 59, names: NO_NAMES, any: false },
  { what: 'hour', min: 0, max: 23, names: NO_NAMES, any: false },
  { what: 'day of month', min: 1, max: 31, names: NO_NAMES, any: true },
  { what: 'month', min: 1, max: 12, names: MONTHS, any: false },
  { what: 'day of week', min: 1, max: 7, names: WEEKDAYS, any: true },
  { what: 'year', min: 1970, max: 2100, names: NO_NAMES, any: false },
]

const WEEKDAY = 5

const SHORTHANDS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 0 1 1 *',
  '@monthly': '0 0 0 1 * *',
  '@weekly': '0 0 0 * * 1',
  '@daily': '0 0 0 * * *',
  '@hourly': '0 0 * * * *',
}

/**
 * A pattern of the Rust crate `cron`, which Hiqlite reads its `backup_cron` with, as croner reads
 * the same days once it is told that day of month and day of week both have to fit (SEEDS §2.2):
 * `sec min hour day-of-month month day-of-week [year]`, Sunday is 1, no `L`, `W` and `#`. Throws an
 * `Error` that says what the crate would not read.
 */
export function fromCronCrate(pattern: string): string {
  const known = pattern.trim()
  // The crate lets blanks stand around a list's numbers.
  const text = (SHORTHANDS[known] ?? known).replaceAll(/\s*([,/-])\s*/g, '$1')
  const fields = text.split(/\s+/)
  if (fields.length !== 6 && fields.length !== 7) {
    throw new Error('it has to have 6 or 7 fields, seconds first')
  }
  return fields.map((field, index) => fieldOf(field, index)).join(' ')
}

function fieldOf(text: string, index: number): string {
  const field = FIELDS[index]
  if (field === undefined || isEvery(text, field)) return '*'
  const numbers = new Set(text.split(',').flatMap((part) => numbersOf(part, field)))
  // croner's Sunday is 0.
  const shift = index === WEEKDAY ? -1 : 0
  return [...numbers]
    .sort((one, other) => one - other)
    .map((number) => number + shift)
    .join(',')
}

/** What one part of a list stands for: `7`, `2-5`, `*`, `mon`, `mon-fri`, and `/3` behind most. */
function numbersOf(part: string, field: Field): readonly number[] {
  const [base = '', step, ...more] = part.split('/')
  if (more.length > 0) throw malformed(part, field)
  const by = step === undefined ? 1 : stepOf(step, part, field)
  const [first, last] = rangeOf(base, part, field, step !== undefined)
  const count = Math.floor((last - first) / by) + 1
  return Array.from({ length: count }, (_, index) => first + index * by)
}

function rangeOf(
  base: string,
  part: string,
  field: Field,
  isStepped: boolean,
): readonly [number, number] {
  if (isEvery(base, field)) return [field.min, field.max]
  const [from = '', to, ...more] = base.split('-')
  if (more.length > 0) throw malformed(part, field)
  if (to === undefined) {
    // A name with a step is none of the crate's patterns, a number is: `5/10` goes on to the end.
    if (isStepped && !isNumber(from)) throw malformed(part, field)
    const point = numberOf(from, part, field)
    return [point, isStepped ? field.max : point]
  }
  if (isNumber(from) !== isNumber(to)) throw malformed(part, field)
  const [first, last] = [numberOf(from, part, field), numberOf(to, part, field)]
  if (first > last) throw new Error(`${field.what} "${part}" ends before it begins`)
  return [first, last]
}

function stepOf(text: string, part: string, field: Field): number {
  if (!isNumber(text)) throw malformed(part, field)
  const step = Number(text)
  if (step >= 1 && step <= field.max) return step
  throw new Error(`the step of ${field.what} "${part}" has to be from 1 to ${field.max}`)
}

function numberOf(text: string, part: string, field: Field): number {
  const name = text.toLowerCase()
  const number = Object.hasOwn(field.names, name) ? field.names[name] : undefined
  if (number === undefined && !isNumber(text)) throw malformed(part, field)
  const found = number ?? Number(text)
  if (found >= field.min && found <= field.max) return found
  const sunday = field === FIELDS[WEEKDAY] ? ', Sunday is 1' : ''
  throw new Error(`${field.what} "${part}" has to be from ${field.min} to ${field.max}${sunday}`)
}

function isEvery(text: string, field: Field): boolean {
  return text === '*' || (text === '?' && field.any)
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text)
}

function malformed(part: string, field: Field): Error {
  return new Error(`${field.what} "${part}" cannot be read`)
}

function numbered(names: readonly (readonly string[])[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    names.flatMap((same, index) => same.map((name) => [name, index + 1] as const)),
  )
}
