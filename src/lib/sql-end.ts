/** So many bytes at the end of a dump as SQL hold its last line, and what may follow it. */
export const SQL_END = 512

/** Of pg_dump and pg_dumpall; of mysqldump and mariadb-dump. */
const LAST = /^-- (?:PostgreSQL database (?:cluster )?dump complete|Dump completed(?: on .*)?)$/
/** What follows it and says nothing. */
const AFTER = /^(?:--|\\unrestrict \S+)?$/

/** Whether a dump that ends so says of itself that this is its end. */
export function isSqlEnd(tail: string): boolean {
  const last = tail.split('\n').findLast((line) => !AFTER.test(line))
  return last !== undefined && LAST.test(last)
}
