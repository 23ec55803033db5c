import { unreachable } from '../lib/unreachable.ts'
import type { ManifestEncryption } from './manifest.ts'
import type { Desired, DesiredJob, Encryption } from './model.ts'
import { byText } from './order.ts'

/** Every way in which a job's archives may be closed, on any of its targets, by the config of today. */
export function encryptionsOfJob(job: DesiredJob): readonly (Encryption | null)[] {
  return [job.encryption, ...job.targets.map(({ encryption }) => encryption)]
}

/** The same of the whole config: what an archive of nobody knows which job may be opened with. */
export function allEncryptions({ jobs, encryption }: Desired): readonly (Encryption | null)[] {
  return [encryption, ...jobs.flatMap(encryptionsOfJob)]
}

/** Equal for encryptions that close archives alike, wherever they are written. */
export function wayOf(encryption: Encryption | null): string {
  if (encryption === null) return 'plain'
  if (encryption.scheme === 'cryptr') return `cryptr ${encryption.active}`
  const { recipients, passphraseFile } = encryption
  return passphraseFile === null
    ? `age ${recipients.toSorted(byText).join(' ')}`
    : `age by ${passphraseFile}`
}

/** Whether an archive that was closed like this may lie where archives are closed like that. */
export function isClosedFor(closed: ManifestEncryption, wanted: Encryption): boolean {
  switch (closed.scheme) {
    case 'cryptr':
      return wanted.scheme === 'cryptr' && wanted.keys.some(({ id }) => id === closed.keyId)
    case 'age-passphrase':
      return wanted.scheme === 'age' && wanted.passphraseFile !== null
    case 'age': {
      if (wanted.scheme !== 'age' || wanted.passphraseFile !== null) return false
      const all = (recipients: readonly string[]) => recipients.toSorted(byText).join(' ')
      return all(closed.recipients) === all(wanted.recipients)
    }
    default:
      return unreachable(closed)
  }
}
