/**
 * Shell patterns over bytes, as `fnmatch` reads them in the C locale: `*`, `?`, `[a-z]`, `[!a-z]`
 * and `\` before a character that is meant literally. Text is latin1: one character for one byte.
 */
export type Token =
  | { readonly kind: 'star' }
  | { readonly kind: 'any' }
  | { readonly kind: 'literal'; readonly byte: string }
  | { readonly kind: 'set'; readonly negated: boolean; readonly ranges: readonly Range[] }

/** First and last byte, both included. */
type Range = readonly [string, string]

const STAR: Token = { kind: 'star' }
const ANY: Token = { kind: 'any' }
const NOT_DOT: Token = { kind: 'set', negated: true, ranges: [['.', '.']] }

/** The tokens of `pattern`, or why it is no pattern, as a `fault` in words. */
export function parseGlob(pattern: string): readonly Token[] | { readonly fault: string } {
  const text = Buffer.from(pattern, 'utf8').toString('latin1')
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    const char = text.charAt(at)
    if (char === '[') {
      const set = parseSet(text, at)
      if ('fault' in set) return set
      tokens.push(set.token)
      at = set.end
    } else if (char === '\\') {
      if (at + 1 === text.length) return { fault: 'ends in a backslash' }
      tokens.push({ kind: 'literal', byte: text.charAt(at + 1) })
      at += 2
    } else {
      tokens.push(char === '*' ? STAR : char === '?' ? ANY : { kind: 'literal', byte: char })
      at += 1
    }
  }
  return tokens
}

/** `[abc]`, `[!a-z]`; a `]` that stands first is meant literally. */
function parseSet(
  text: string,
  open: number,
): { readonly token: Token; readonly end: number } | { readonly fault: string } {
  const negated = /[!^]/.test(text.charAt(open + 1))
  const start = open + (negated ? 2 : 1)
  const close = text.indexOf(']', start + 1)
  if (close < 0) return { fault: 'has a [ without its ]; write \\[ for the character itself' }
  const body = text.slice(start, close)
  if (/[^ -~]|[\\/]|\[[:.=]/.test(body)) {
    return { fault: 'has something inside [ ] other than plain characters and ranges' }
  }
  const ranges = Array.from(
    body.matchAll(/(.)-(.)|(.)/g),
    ([, from, to, one]): Range => [from ?? one ?? '', to ?? one ?? ''],
  )
  return { token: { kind: 'set', negated, ranges }, end: close + 1 }
}

/** The tokens as a pattern that `fnmatch` reads the same way. */
export function formatGlob(tokens: readonly Token[]): string {
  const text = tokens.map(formatToken).join('')
  return Buffer.from(text, 'latin1').toString('utf8')
}

function formatToken(token: Token): string {
  switch (token.kind) {
    case 'star':
      return '*'
    case 'any':
      return '?'
    case 'literal':
      return token.byte.replace(/[*?[\]\\]/, '\\$&')
    case 'set': {
      const bound = (byte: string) => byte.replace(/[^A-Za-z0-9]/, '\\$&')
      const ranges = token.ranges.map(([from, to]) =>
        from === to ? bound(from) : `${bound(from)}-${bound(to)}`,
      )
      return `[${token.negated ? '!' : ''}${ranges.join('')}]`
    }
  }
}

/** Whether `tokens` match all of `text`; `*` crosses whatever stands in it. Linear but for one star. */
export function globMatches(tokens: readonly Token[], text: string): boolean {
  let token = 0
  let at = 0
  let star = -1
  let retry = 0
  while (at < text.length) {
    const current = tokens[token]
    if (current?.kind === 'star') {
      star = token++
      retry = at
    } else if (current && takes(current, text.charAt(at))) {
      token++
      at++
    } else if (star >= 0) {
      token = star + 1
      at = ++retry
    } else {
      return false
    }
  }
  return tokens.slice(token).every((rest) => rest.kind === 'star')
}

function takes(token: Token, byte: string): boolean {
  if (token.kind === 'literal') return token.byte === byte
  if (token.kind !== 'set') return true
  return token.ranges.some(([from, to]) => from <= byte && byte <= to) !== token.negated
}

/** Patterns that together match what `tokens` match, the name `.` alone left out. */
export function besidesDot(tokens: readonly Token[]): readonly (readonly Token[])[] {
  if (!globMatches(tokens, '.')) return [tokens]
  const at = tokens.findIndex((token) => token.kind !== 'star')
  const one = tokens[at]
  if (!one) return [[NOT_DOT], [ANY, ANY, STAR]]
  const before = at > 0
  const after = at + 1 < tokens.length
  return [
    ...withoutDot(one),
    ...(before ? [[ANY, STAR, one, ...(after ? [STAR] : [])]] : []),
    ...(after ? [[...(before ? [STAR] : []), one, ANY, STAR]] : []),
  ]
}

function withoutDot(one: Token): readonly (readonly Token[])[] {
  if (one.kind === 'any') return [[NOT_DOT]]
  if (one.kind !== 'set') return []
  if (one.negated) return [[{ ...one, ranges: [...one.ranges, ['.', '.']] }]]
  // `/` follows `.` and is in no name.
  const ranges = one.ranges.flatMap(([from, to]): Range[] =>
    from <= '.' && '.' <= to
      ? [...(from < '.' ? [[from, '-'] as const] : []), ...(to > '/' ? [['0', to] as const] : [])]
      : [[from, to]],
  )
  return ranges.length === 0 ? [] : [[{ ...one, ranges }]]
}
