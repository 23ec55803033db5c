import { RestoreFailed } from '../lib/errors.ts'
import { REFERENCE_FORM } from './reference.ts'

/** What a boot is asked to restore: a file of this machine, an object of a bucket, or a reference. */
export type RestoreTarget =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 's3'; readonly object: string }
  | { readonly kind: 'reference'; readonly text: string }

/**
 * Reads the value of the variable that asks for a restore at boot (DESIGN §6). White space around it
 * is no part of it. An empty value is the caller's to treat as unset; here it is a fault like every
 * other that cannot be understood: `RestoreFailed`, with the forms there are.
 */
export function parseRestoreRequest(value: string): RestoreTarget {
  const text = value.trim()
  const [, prefix, rest = ''] = /^([^@/]*?):(.*)$/s.exec(text) ?? []
  switch (prefix) {
    case 'file':
      if (rest.trim() === '') throw fault(`"${text}" names no file`)
      return { kind: 'file', path: rest }
    case 's3':
      if (rest.trim() === '') throw fault(`"${text}" names no object`)
      return { kind: 's3', object: rest }
    case undefined:
      if (!/^[^@/\s]+(\/[^@/\s]+){0,2}(@.+)?$/.test(text)) throw fault(`"${text}" is no request`)
      return { kind: 'reference', text }
    default:
      // Not the whole of it: an address put into the wrong variable may hold a password.
      throw fault(`a request cannot begin with "${prefix}:"`)
  }
}

function fault(why: string): RestoreFailed {
  return new RestoreFailed(`the restore at boot cannot be understood: ${why}`, {
    hint: `write file:<path>, s3:<object>, s3:latest or ${REFERENCE_FORM}, or unset the variable`,
  })
}
