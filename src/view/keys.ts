import { table } from './table.ts'

/** What may be shown of a key. */
export interface ShownKey {
  readonly scheme: string
  readonly id: string
  readonly fingerprint: string | null
  readonly opens: boolean
  readonly closes: boolean
}

/** A row a key: what it is called, how it is told apart, and what it is good for here. */
export function keyTable(keys: readonly ShownKey[]): string {
  if (keys.length === 0) return 'no key is configured: archives are plain'
  return table(
    ['scheme', 'key', 'fingerprint', 'here it'],
    keys.map(({ scheme, id, fingerprint, opens, closes }) => [
      scheme,
      id,
      fingerprint ?? 'none: it is a passphrase',
      [opens ? 'opens' : '', closes ? 'closes' : ''].filter(Boolean).join(' and '),
    ]),
  )
}
