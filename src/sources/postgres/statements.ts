import { ArchiveDamaged } from '../../lib/errors.ts'

/** A piece of SQL: a comment, a line for psql (`\encoding` before an odd name), a text, a name, or one character. */
const PIECE =
  /--[^\n]*|\\(?:un)?restrict [^\n]*|\\encoding SQL_ASCII(?=\n)|\\connect [^\n]*|(?<![\w$])[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\/\*|\$\w*\$|[\s\S]/g

/**
 * The statements of a dump of roles, without their semicolons and comments. It knows what pg_dumpall
 * writes, and nothing else is let through: psql would run a program for whoever knows to ask it, and
 * what is quoted in another way could hide that. Throws `ArchiveDamaged`.
 */
export function statementsOf(sql: string): readonly string[] {
  const statements: string[] = []
  let open = ''
  for (const [text] of sql.matchAll(PIECE)) {
    const isBetween = open.trim() === ''
    if (text.startsWith('--')) continue
    if (text.startsWith('\\') && text.length > 1 && isBetween) continue
    if (/^[\\'"]$|^\/\*$|^\$\w*\$$|^\\/.test(text)) {
      throw new ArchiveDamaged(`the dump holds ${text.slice(0, 20)} where pg_dumpall writes none`)
    }
    if (text !== ';') open += text
    else if (!isBetween) {
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
