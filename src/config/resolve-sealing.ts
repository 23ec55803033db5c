import { parseCryptrKeys } from '../core/cryptr-keys.ts'
import type { Compression, Encryption, OptionValue, Signing } from '../core/model.ts'
import { Secret } from '../lib/secret.ts'
import type { Block } from './block.ts'
import { blockOf, child, fault, item, number, read, strings, text } from './block.ts'

const USUAL_LEVEL = { zstd: 3, gzip: 6 } as const
const HIGHEST_GZIP = 9

/** The `encryption` of a block; `inherited` when it has none. `none` is null. */
export function resolveEncryption(block: Block, inherited: Encryption | null): Encryption | null {
  const declared = item(block, 'encryption')
  if (declared === null) return inherited
  const own = blockOf(declared, block.context)
  if (own === null) return null
  const cryptr = child(own, 'cryptr')
  return cryptr === null ? resolveAge(own) : resolveCryptr(cryptr, own)
}

function resolveAge(own: Block): Encryption {
  const recipients = strings(own, 'recipients')
  const passphraseFile = text(own, 'passphrase_file')
  const identityFile = text(own, 'identity_file')
  const identityFiles = [
    ...(identityFile === null ? [] : [identityFile]),
    ...strings(own, 'identity_files'),
  ]
  if (passphraseFile !== null && own.tree.entries.has('recipients')) {
    const hint = 'age knows one or the other; recipients are the better choice'
    fault(own, 'passphrase_file', 'stands beside "recipients"', hint)
  }
  if (passphraseFile === null && !own.tree.entries.has('recipients')) {
    const hint = 'make a key with: age-keygen -o age.key'
    own.context.faults.add(own.place, own.path, '"recipients" are missing', hint)
  }
  return { scheme: 'age', recipients, passphraseFile, identityFiles }
}

function resolveCryptr(block: Block, own: Block): Encryption {
  const beside = [...own.tree.entries.keys()].find((key) => key !== 'cryptr')
  if (beside !== undefined) fault(own, beside, 'stands beside "cryptr"', 'keep age or cryptr')
  const active = text(block, 'key_active') ?? ''
  const { keys, faults, duplicates } = parseCryptrKeys(secretsOf(read(block, 'keys')))
  for (const one of faults) fault(block, 'keys', one, GENERATE)
  for (const id of duplicates) {
    block.context.notice(`${block.path}.keys: key ${id} is there again; the first one holds`)
  }
  // Where secrets are not at hand, neither are their ids.
  const known = keys.length > 0 || block.context.unset === 'fault'
  if (known && faults.length === 0 && block.tree.entries.has('keys')) {
    if (keys.length === 0) fault(block, 'keys', 'there is no line of id/base64', GENERATE)
    else if (active !== '' && keys.every(({ id }) => id !== active)) {
      const hint = `there are ${keys.map(({ id }) => id).join(', ')}`
      fault(block, 'key_active', `there is no key ${active}`, hint)
    }
  }
  return { scheme: 'cryptr', keys, active }
}

const GENERATE = 'make one with: holdfast key generate --cryptr'

function secretsOf(value: OptionValue): readonly string[] {
  const all: readonly OptionValue[] = Array.isArray(value) ? value : [value]
  return all.flatMap((one) => (one instanceof Secret ? [one.reveal()] : []))
}

/** The compression of a job: zstd at 3, unless it or its format says otherwise. */
export function resolveCompression(job: Block): Compression {
  const declared = item(job, 'compression')
  const isVardo = text(job, 'format') === 'vardo'
  if (declared === null) {
    return isVardo
      ? { kind: 'gzip', level: USUAL_LEVEL.gzip }
      : { kind: 'zstd', level: USUAL_LEVEL.zstd }
  }
  const block = blockOf(declared, job.context)
  const kind = block === null ? text(job, 'compression') : text(block, 'type')
  if (isVardo && kind !== 'gzip') {
    fault(job, 'compression', 'format vardo is gzip', 'leave "compression" out')
  }
  const level = block === null ? null : number(block, 'level')
  if (kind === 'none') {
    if (block && level !== null) fault(block, 'level', 'has no meaning without a compression')
    return { kind }
  }
  if (kind !== 'gzip') return { kind: 'zstd', level: level ?? USUAL_LEVEL.zstd }
  if (block && level !== null && level > HIGHEST_GZIP) {
    fault(block, 'level', `must be at most ${HIGHEST_GZIP} for gzip`)
  }
  return { kind, level: level ?? USUAL_LEVEL.gzip }
}

/** How manifests are signed, or null. */
export function resolveSigning(root: Block): Signing | null {
  const declared = item(root, 'signing')
  const block = declared === null ? null : blockOf(declared, root.context)
  if (block === null) return null
  if (text(block, 'type') === 'hmac')
    return { kind: 'hmac', keyFile: text(block, 'key_file') ?? '' }
  return {
    kind: 'ed25519',
    privateKeyFile: text(block, 'private_key_file'),
    publicKeyFile: text(block, 'public_key_file') ?? '',
  }
}
