import { connect as dial } from 'node:net'
import ssh2, {
  type AnyAuthMethod,
  type Client,
  type ServerHostKeyAlgorithm,
  type SFTPWrapper,
} from 'ssh2'
import { messageOf, TargetUnreachable } from '../../lib/errors.ts'
import { startTimer } from '../../lib/limits.ts'
import { formatSeconds, type SshLimits } from './limits.ts'
import type { SshOptions } from './options.ts'
import { openSession, type Session } from './session.ts'
import { type TrustSurroundings, trustOf } from './trust.ts'

/** What ssh2 offers of itself, best first. */
const HOST_KEYS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-rsa',
]

export interface ConnectSurroundings extends TrustSurroundings {
  /** Throws `ConfigError`. */
  readonly identity: () => AnyAuthMethod
}

/** Connects, proves who is who, and opens SFTP. Throws `TargetUnreachable` and `ConfigError`. */
export async function connect(
  options: SshOptions,
  around: ConnectSurroundings,
  limits: SshLimits,
): Promise<Session> {
  const identity = around.identity()
  const trust = await trustOf(options, around)
  const socket = dial({ host: options.host, port: options.port, noDelay: true })
  const client = new ssh2.Client()
  const attempt = beginAttempt(options, client)
  const timer = startTimer(limits.connect, () => {
    attempt.fail(`it did not answer within ${formatSeconds(limits.connect)}`)
    socket.destroy()
  })
  try {
    client.connect({
      sock: socket,
      username: options.username,
      authHandler: [identity],
      algorithms: { serverHostKey: [...preferred(trust.types)] },
      hostVerifier: (key: Buffer, verify: (isTrusted: boolean) => void) => {
        trust.check(key).then(
          () => verify(true),
          (error: unknown) => {
            attempt.refuse(error)
            verify(false)
          },
        )
      },
      readyTimeout: 0,
      strictVendor: false,
    })
    await attempt.until<void>((done) => client.once('ready', () => done()))
    client.setNoDelay(true)
    const sftp = await attempt.until<SFTPWrapper>((done, failed) =>
      client.sftp((error, opened) => (error ? failed(sftpRefused(error)) : done(opened))),
    )
    return openSession(client, socket, sftp, limits)
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    timer.cancel()
  }
}

function sftpRefused(error: Error): string {
  return `it offers no SFTP (${error.message})`
}

/** Types that are known come first, so that a host is asked for the key that can be compared. */
function preferred(types: readonly string[]): ReadonlySet<ServerHostKeyAlgorithm> {
  const names = types.flatMap((type) =>
    type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type],
  )
  const known = HOST_KEYS.filter((name) => names.includes(name))
  return new Set([...known, ...HOST_KEYS])
}

interface Attempt {
  /** What `begin` calls back with, unless the attempt fails before. */
  until<T>(begin: (done: (value: T) => void, failed: (why: string) => void) => void): Promise<T>
  /** The host is not to be trusted; that is the cause, whatever ssh2 says later. */
  refuse(error: unknown): void
  fail(why: string): void
}

/** The first cause wins: ssh2 tells several when one of them is true. */
function beginAttempt({ label, username }: SshOptions, client: Client): Attempt {
  let broken: { readonly error: unknown } | null = null
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => {})
  const refuse = (error: unknown) => {
    broken ??= { error }
    failure.reject(error)
  }
  const fail = (why: string, cause?: unknown, hint = LOOK_THERE) =>
    refuse(new TargetUnreachable(`cannot connect to ${label}: ${why}`, { at: label, cause, hint }))
  client.on('error', (error: Error & { level?: string }) => {
    // The agent's failure is told, and then that no method is left.
    if (error.level === 'agent') fail(`the SSH agent failed: ${error.message}`, error)
    else if (error.level === 'client-authentication') {
      fail(`it does not let ${username} in with that key`, error, LET_IN)
    } else fail(reasonOf(error), error)
  })
  client.on('close', () => fail('the host closed the connection'))
  return {
    refuse,
    fail,
    until: (begin) =>
      Promise.race([
        failure.promise,
        new Promise<never>((resolve, reject) => {
          if (broken) reject(broken.error)
          else begin(resolve as never, fail)
        }),
      ]),
  }
}

const SOCKET_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  EHOSTUNREACH: 'no way leads to it',
  ENETUNREACH: 'no way leads to it',
  ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'it does not answer',
}

const LOOK_THERE = 'see whether host and port are right, and whether its SSH server runs'
const LET_IN = 'add the public half of the key to authorized_keys there'

function reasonOf(error: Error & { code?: unknown }): string {
  if (typeof error.code === 'string') return SOCKET_REASONS[error.code] ?? messageOf(error)
  return messageOf(error)
}
