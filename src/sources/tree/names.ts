import { isUtf8 } from 'node:buffer'

/** How many names a message lists before it counts the rest. */
export const MAX_NAMED = 20

/** `3 files vanished: a, b, c`; after twenty names `… and 5 more`. */
export function naming(what: string, names: readonly string[], total = names.length): string {
  const shown = names.slice(0, MAX_NAMED)
  const rest = total - shown.length
  return `${total} ${what}: ${shown.join(', ')}${rest > 0 ? ` … and ${rest} more` : ''}`
}

/** The bytes of a name that GNU tar quoted in the C locale: `caf\303\251`, `a\nb`. */
export function unquote(quoted: string): Buffer {
  const text = quoted.replace(/\\([0-7]{3}|.)/g, (_, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code, 8))
    return ESCAPES[code] ?? code
  })
  return Buffer.from(text, 'latin1')
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** A file name as one line of text for people: control characters and odd bytes are escaped. */
export function readable(name: Buffer): string {
  const text = isUtf8(name) ? name.toString('utf8') : name.toString('latin1')
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be printed
    isUtf8(name) ? /[\u0000-\u001f\u007f-\u009f]/g : /[^ -~]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
