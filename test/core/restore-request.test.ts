import { describe, expect, it } from 'vitest'
import { parseRestoreRequest } from '../../src/core/restore-request.ts'
import { RestoreFailed } from '../../src/lib/errors.ts'

describe('a restore at boot', () => {
  it('is asked for as a file, an object or a reference', () => {
    expect(parseRestoreRequest('file:/srv/a b.tar.zst')).toEqual({
      kind: 'file',
      path: '/srv/a b.tar.zst',
    })
    expect(parseRestoreRequest('file:./x:y@z')).toEqual({ kind: 'file', path: './x:y@z' })
    expect(parseRestoreRequest('s3:backup_node_1_1700000000.cryptr')).toEqual({
      kind: 's3',
      object: 'backup_node_1_1700000000.cryptr',
    })
    for (const text of [
      'shop-db',
      'acme/shop/data',
      'shop/data@latest',
      'shop@2026-11-20T02:00:00Z',
      'shop@file:x',
    ]) {
      expect(parseRestoreRequest(text)).toEqual({ kind: 'reference', text })
    }
  })

  it('does not mind white space around it', () => {
    expect(parseRestoreRequest(' file:/srv/x\n')).toEqual({ kind: 'file', path: '/srv/x' })
  })

  for (const value of [
    ...['', '  ', '\n', 'file:', 'file: ', 's3:', 's3:\t', 'foo:', 'foo:bar', ':x', 'FILE:/x'],
    ...['S3:x', '/srv/x.tar', '@latest', 'shop@', 'shop//data', 'a/b/c/d', 'shop db', 'C:\\x'],
  ]) {
    it(`fails with the forms there are when it is asked for as ${JSON.stringify(value)}`, () => {
      let thrown: unknown
      try {
        parseRestoreRequest(value)
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBeInstanceOf(RestoreFailed)
      const { hint } = thrown as RestoreFailed
      for (const form of ['file:<path>', '[org/]job']) expect(hint).toContain(form)
    })
  }

  it('does not repeat a password that stands in the wrong variable', () => {
    expect(() => parseRestoreRequest('postgres://user:hunter2@db/shop')).toThrow(
      /^(?!.*hunter2).*cannot begin with "postgres:"/,
    )
  })
})
