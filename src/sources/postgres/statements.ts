/**
 * The statements of a dump of roles, without their semicolons and comments. It knows what pg_dumpall
 * writes: quoted names and texts, and no bodies of functions.
 */
export function statementsOf(sql: string): readonly string[] {
  const statements: string[] = []
  let open = ''
  const piece = /--[^\n]*|\\[a-z]+[^\n]*|[eE]?'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"]|"")*"|;|[\s\S]/g
  for (const [text] of sql.matchAll(piece)) {
    if (text.startsWith('--') || (text.startsWith('\\') && open.trim() === '')) continue
    if (text !== ';') open += text
    else if (open.trim() !== '') {
      statements.push(open.trim())
      open = ''
    }
  }
  return statements
}

/** What a statement is about: a role, a tablespace, or what it does not concern us to tell apart. */
export interface About {
  readonly kind: 'create-role' | 'role' | 'create-tablespace' | 'tablespace' | 'other'
  readonly name: string
}

/** A name in SQL, quoted or not, as a group. */
export const NAME = '("(?:[^"]|"")*"|[^\\s;"]+)'

const FORMS: readonly (readonly [RegExp, About['kind']])[] = [
  [new RegExp(`^CREATE ROLE ${NAME}`, 'i'), 'create-role'],
  [new RegExp(`^ALTER ROLE ${NAME}`, 'i'), 'role'],
  [new RegExp(`^COMMENT ON ROLE ${NAME}`, 'i'), 'role'],
  [new RegExp(`^SECURITY LABEL .* ON ROLE ${NAME}`, 'i'), 'role'],
  [new RegExp(`^GRANT ${NAME} TO `, 'i'), 'role'],
  [new RegExp(`^CREATE TABLESPACE ${NAME}`, 'i'), 'create-tablespace'],
  [new RegExp(`^(?:ALTER TABLESPACE|COMMENT ON TABLESPACE) ${NAME}`, 'i'), 'tablespace'],
  [new RegExp(`^(?:GRANT|REVOKE) .* ON TABLESPACE ${NAME}`, 'i'), 'tablespace'],
]

/** What one of the statements is about. A membership is about its member. */
export function aboutOf(statement: string): About {
  const member = new RegExp(`^GRANT ${NAME} TO ${NAME}`, 'i').exec(statement)?.[2]
  if (member !== undefined) return { kind: 'role', name: bare(member) }
  for (const [form, kind] of FORMS) {
    const name = form.exec(statement)?.[1]
    if (name !== undefined) return { kind, name: bare(name) }
  }
  return { kind: 'other', name: '' }
}

function bare(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}
