/** What became of a text with `${…}` in it. */
export interface Expanded {
  readonly text: string
  /** Whether anything came out of the environment. */
  readonly changed: boolean
  /** What could not be expanded; it stays in `text` as written. */
  readonly complaints: readonly Complaint[]
}

export interface Complaint {
  readonly message: string
  readonly hint: string | null
}

export type Environment = Readonly<Record<string, string | undefined>>

const VARIABLE = /\$\$\{|\$\{([^}]*)\}|\$\{/g
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?$/s

/**
 * Expands `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; `$${` is a plain `${`. As in a shell,
 * `:-` and `:?` take an empty variable for an unset one. It works on values after parsing, so that
 * what a variable holds stays one value, whatever it looks like.
 */
export function interpolate(text: string, env: Environment): Expanded {
  const complaints: Complaint[] = []
  let changed = false
  const expanded = text.replaceAll(VARIABLE, (whole: string, inside: string | undefined) => {
    if (whole === '$${') return '${'
    const found = lookUp(inside ?? '', env)
    if (typeof found !== 'string') {
      complaints.push(found)
      return whole
    }
    changed = true
    return found
  })
  return { text: expanded, changed, complaints }
}

function lookUp(inside: string, env: Environment): string | Complaint {
  const [matched, name = '', operator, word = ''] = INSIDE.exec(inside) ?? []
  if (matched === undefined) {
    return {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own syntax
      message: 'a variable is written ${NAME}, ${NAME:-default} or ${NAME:?message}',
      hint: 'write $${ for a plain ${',
    }
  }
  const value = env[name]
  if (operator === undefined) {
    const hint = `set it, or give it a default: \${${name}:-default}`
    return value ?? { message: `variable ${name} is not set`, hint }
  }
  if (value !== undefined && value !== '') return value
  if (operator === '-') return word
  const message = word.trim() === '' ? `variable ${name} is not set` : `${name}: ${word.trim()}`
  return { message, hint: `set ${name}` }
}
