import { besidesDot, formatGlob, globMatches, parseGlob, type Token } from './glob.ts'

/** Vardo's limits: a pattern list is written by hand. */
const MAX_PATTERNS = 100
const MAX_LENGTH = 200

/** What a folder of ours is for. `parked` holds what is carried over while a swap is made. */
export type OwnRole = 'staging' | 'previous' | 'parked'

const ROLES: readonly OwnRole[] = ['staging', 'previous', 'parked']
/** Our own folders, of this source or of one inside it: never content. */
const OWN = ROLES.flatMap((role) => [`.holdfast-${role}-*`, `.*.holdfast-${role}-*`])

/** One thing to leave out: a name at any depth, or a path from the root of the source on. */
export interface Pattern {
  readonly kind: 'name' | 'path'
  /** As written, without leading `/` and `./` and trailing `/`. */
  readonly text: string
  readonly tokens: readonly Token[]
}

/**
 * Vardo's patterns: one without `/` matches a name at any depth, one with `/` matches from the root
 * on and its `*` crosses `/`; `?` is one byte. The first fault in words when one is no pattern.
 */
export function parsePatterns(
  texts: readonly string[],
): readonly Pattern[] | { readonly fault: string } {
  if (texts.length > MAX_PATTERNS) return { fault: `has more than ${MAX_PATTERNS} patterns` }
  const patterns: Pattern[] = []
  for (const text of texts) {
    const pattern = parsePattern(text)
    if ('fault' in pattern) return { fault: `pattern ${JSON.stringify(text)} ${pattern.fault}` }
    patterns.push(pattern)
  }
  return patterns
}

function parsePattern(written: string): Pattern | { readonly fault: string } {
  const text = written.replace(/^(?:\.?\/+)+/, '').replace(/\/+$/, '')
  if (text === '') return { fault: 'is empty' }
  if (text.length > MAX_LENGTH) return { fault: `is longer than ${MAX_LENGTH} characters` }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) return { fault: 'has a control character' }
  if (text.split('/').some((segment) => ['', '.', '..'].includes(segment))) {
    return { fault: 'has an empty segment, . or ..' }
  }
  const tokens = parseGlob(text)
  if ('fault' in tokens) return tokens
  return { kind: text.includes('/') ? 'path' : 'name', text, tokens }
}

/** The arguments that make GNU tar leave out `patterns`, our own folders and, literally, `leftOut`. */
export function tarExcludes(
  patterns: readonly Pattern[],
  leftOut: readonly string[],
): readonly string[] {
  const names = [...ownPatterns(), ...patterns]
    .filter(({ kind }) => kind === 'name')
    .flatMap(({ tokens }) => besidesDot(tokens))
  const paths = patterns.filter(({ kind }) => kind === 'path')
  // Each flag holds for the excludes after it.
  return [
    ...['--no-anchored', '--wildcards', '--no-wildcards-match-slash'],
    ...names.map((tokens) => `--exclude=${formatGlob(tokens)}`),
    ...['--anchored', '--wildcards-match-slash'],
    ...paths.map(({ tokens }) => `--exclude=./${formatGlob(tokens)}`),
    '--no-wildcards',
    ...leftOut.map((path) => `--exclude=./${path}`),
  ]
}

/**
 * Tells of a path inside the source, in latin1 and without a leading `./`, whether tar leaves it
 * out by itself. What lies below an excluded folder is left out with it and need not be asked for.
 */
export function excluder(
  patterns: readonly Pattern[],
  leftOut: readonly string[],
): (path: string) => boolean {
  const all = [...ownPatterns(), ...patterns]
  const literal = new Set(leftOut.map((path) => Buffer.from(path).toString('latin1')))
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1)
    return (
      literal.has(path) ||
      all.some(({ kind, tokens }) => globMatches(tokens, kind === 'name' ? name : path))
    )
  }
}

/** Whether `name` is that of a folder of ours. */
export function isOwnFolder(name: string): boolean {
  return OWN_NAME.test(name)
}

const OWN_NAME = new RegExp(`^\\.(?:.*\\.)?holdfast-(?:${ROLES.join('|')})-`, 's')

function ownPatterns(): readonly Pattern[] {
  const parsed = parsePatterns(OWN)
  return 'fault' in parsed ? [] : parsed
}
