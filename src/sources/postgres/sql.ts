/** A name as SQL writes it, whatever is in it. */
export function ident(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as SQL writes it, however the server reads backslashes. */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? ` E${quoted}` : quoted
}

/** A name as it stands in a connection string, where `=` and quotes have a meaning. */
export function conninfo(database: string): string {
  return `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
