import { describe, expect, it } from 'vitest'
import { isSqlEnd } from '../../src/lib/sql-end.ts'

describe('the end of a dump as SQL', () => {
  it.each([
    ['pg_dump', '\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n'],
    ['a newer pg_dump', '-- PostgreSQL database dump complete\n--\n\n\\unrestrict aB3\n\n'],
    ['pg_dumpall', '--\n-- PostgreSQL database cluster dump complete\n--\n\n'],
    ['mariadb-dump', '\n-- Dump completed on 2026-11-22  1:02:45\n'],
    ['mysqldump without its time', ');\n-- Dump completed\n'],
  ])('is its last line, of %s', (_name, tail) => {
    expect(isSqlEnd(tail)).toBe(true)
    expect(isSqlEnd(tail.slice(0, tail.indexOf('comp')))).toBe(false)
  })

  it('is none where more follows, as in a row that looks like it', () => {
    expect(isSqlEnd('')).toBe(false)
    expect(isSqlEnd("\n-- Dump completed\n'),(7,'cut")).toBe(false)
    expect(isSqlEnd('1\tx\n-- PostgreSQL database dump complete\n2\ty')).toBe(false)
  })
})
