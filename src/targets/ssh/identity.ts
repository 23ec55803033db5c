import ssh2, { type AnyAuthMethod, type ParsedKey } from 'ssh2'
import { sshAgentSocket } from '../../platform/ssh-agent.ts'
import { fault, type SshOptions } from './options.ts'

/** The private keys of this process, opened once: a passphrase takes a third of a second each time. */
export type OpenKeys = Map<string, ParsedKey>

/**
 * How we prove who we are: the private key of the block, kept in `keys` under `name`, or else the
 * agent. Throws `ConfigError`.
 */
export function identityOf(options: SshOptions, name: string, keys: OpenKeys): AnyAuthMethod {
  const { section, username, privateKey } = options
  if (privateKey) {
    const key = keys.get(name) ?? parsePrivateKey(options)
    keys.set(name, key)
    return { type: 'publickey', username, key }
  }
  const agent = sshAgentSocket()
  if (agent !== null) return { type: 'agent', username, agent }
  const hint = 'set private_key_file, or start an agent: eval $(ssh-agent); ssh-add'
  throw fault(section, 'private_key', 'is not set, and SSH_AUTH_SOCK names no agent', hint)
}

function parsePrivateKey({ section, privateKey, passphrase }: SshOptions): ParsedKey {
  // Pasted keys come with the line breaks of wherever they were, and without the last one.
  const pem = `${(privateKey?.reveal() ?? '').replaceAll('\r\n', '\n').trim()}\n`
  const parsed = ssh2.utils.parseKey(pem, passphrase?.reveal()) as ParsedKey | ParsedKey[] | Error
  if (parsed instanceof Error) throw unparsed(section, parsed)
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (!key?.isPrivateKey()) throw fault(section, 'private_key', 'is no private key')
  return key
}

// Only words of ours: the library's may hold a piece of what it could not read.
function unparsed(section: string, { message }: Error): Error {
  if (/no passphrase/i.test(message)) {
    return fault(section, 'passphrase', 'is missing, and the private key is encrypted')
  }
  if (/passphrase|decrypt|integrity/i.test(message)) {
    return fault(section, 'passphrase', 'does not open the private key')
  }
  const hint = 'OpenSSH and PEM keys are understood: ssh-keygen -p -f KEY rewrites others'
  return fault(section, 'private_key', 'is no private key that is understood', hint)
}
