import { Secret } from '../lib/secret.ts'
import type { CryptrKey } from './model.ts'

const ID = /^[a-zA-Z0-9:_-]{2,20}$/
/** 32 bytes: 43 characters of which the last one holds four bits, and the padding. */
const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** What the words of `ENC_KEYS` came to. Faults never quote a line: it holds a key. */
export interface CryptrKeys {
  /** In order, the first of each id. */
  readonly keys: readonly CryptrKey[]
  /** `line 3: …`, for a person. */
  readonly faults: readonly string[]
  /** Ids that came again; the first of each holds. */
  readonly duplicates: readonly string[]
}

/** Whether cryptr takes `id` for a key: the widest of what its versions take. */
export function isCryptrId(id: string): boolean {
  return ID.test(id)
}

/**
 * The keys of `ENC_KEYS`, as cryptr and Hiqlite read them: `id/base64`, one a line; lines that are
 * blank or without a slash are passed over. A list, as TOML has it, counts each item as lines.
 */
export function parseCryptrKeys(words: string | readonly string[]): CryptrKeys {
  const lines = (typeof words === 'string' ? [words] : words).flatMap((one) => one.split('\n'))
  const keys = new Map<string, CryptrKey>()
  const faults: string[] = []
  const duplicates: string[] = []
  for (const [index, line] of lines.entries()) {
    const word = line.trim()
    const slash = word.indexOf('/')
    if (slash < 0) continue
    const id = word.slice(0, slash)
    const key = word.slice(slash + 1)
    const fault = faultOf(id, key)
    if (fault !== null) faults.push(`line ${index + 1}: ${fault}`)
    else if (keys.has(id)) duplicates.push(id)
    else keys.set(id, { id, key: new Secret(key) })
  }
  return { keys: [...keys.values()], faults, duplicates }
}

function faultOf(id: string, key: string): string | null {
  if (!isCryptrId(id)) return 'the id before the slash has to be 2 to 20 of a-z A-Z 0-9 : _ -'
  if (!KEY.test(key)) return 'the key after the slash has to be 32 bytes in base64, padded'
  return null
}
