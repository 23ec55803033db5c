import { allEncryptions } from '../core/encryptions.ts'
import type { ManifestEncryption } from '../core/manifest.ts'
import type { Copy, Desired } from '../core/model.ts'
import type { History, Warning } from '../core/observed.ts'
import { groupedBy } from '../core/order.ts'
import { count } from '../lib/count.ts'
import { CannotDecrypt } from '../lib/errors.ts'
import { unreachable } from '../lib/unreachable.ts'
import { type KeyFacts, keyFacts } from '../stream/key-facts.ts'

const MOST_NAMED = 3

/**
 * Complete copies that no configured key opens, by what the history knows of them: for each group on
 * each target how many, and what they are closed with. Where identities are kept elsewhere on
 * purpose, nothing is said of age: that they are is a warning of its own.
 */
export async function unopenable(desired: Desired, history: History): Promise<readonly Warning[]> {
  const closed = history.copies.filter(
    ({ status, encryption }) => status === 'complete' && encryption,
  )
  if (closed.length === 0) return []
  const opens = await openersOf(desired)
  const verdicts = new Map<ManifestEncryption, boolean>()
  const isLost = ({ encryption }: Copy) => {
    if (!encryption) return false
    const known = verdicts.get(encryption)
    if (known !== undefined) return known
    const lost = !opens(encryption)
    verdicts.set(encryption, lost)
    return lost
  }
  const groups = groupedBy(closed.filter(isLost), ({ target, group }) => `${target} ${group}`)
  return [...groups.values()].flatMap((copies) => warningOf(copies))
}

type Opens = (encryption: ManifestEncryption) => boolean

async function openersOf(desired: Desired): Promise<Opens> {
  const encryptions = allEncryptions(desired)
  const age = encryptions.filter((one) => one?.scheme === 'age')
  const isElsewhere = age.every((one) => one.identityFiles.length === 0)
  const keys = (await keysOf(desired)).filter(({ opens }) => opens)
  const ids = new Set(keys.map(({ scheme, id }) => `${scheme} ${id}`))
  const hasPassphrase = keys.some(({ fingerprint }) => fingerprint === null)
  return (encryption) => {
    switch (encryption.scheme) {
      case 'age':
        return isElsewhere || encryption.recipients.some((one) => ids.has(`age ${one}`))
      case 'age-passphrase':
        return hasPassphrase
      case 'cryptr':
        return ids.has(`cryptr ${encryption.keyId}`)
      default:
        return unreachable(encryption)
    }
  }
}

/** Files that cannot be read open nothing, whatever is in them. */
async function keysOf(desired: Desired): Promise<readonly KeyFacts[]> {
  try {
    return (await keyFacts(allEncryptions(desired))).keys
  } catch (error) {
    if (error instanceof CannotDecrypt) return []
    throw error
  }
}

function warningOf(copies: readonly Copy[]): readonly Warning[] {
  const [first] = copies
  if (!first) return []
  const locks = [...new Set(copies.flatMap(({ encryption }) => lockOf(encryption ?? null)))]
  const named = locks.slice(0, MOST_NAMED).join(', ')
  const more = locks.length > MOST_NAMED ? `, ${locks.length - MOST_NAMED} more` : ''
  return [
    {
      rule: 'cannot-open',
      subject: first.group,
      message: `${count(copies.length, 'copy', 'copies')} on ${first.target} cannot be opened by any configured key: closed with ${named}${more}`,
      hint: 'name the keys that open them in encryption; those that there are: holdfast key fingerprint',
    },
  ]
}

function lockOf(encryption: ManifestEncryption | null): readonly string[] {
  switch (encryption?.scheme) {
    case 'age':
      return encryption.recipients
    case 'cryptr':
      return [`cryptr's key ${encryption.keyId}`]
    case 'age-passphrase':
      return ['a passphrase']
    default:
      return []
  }
}
