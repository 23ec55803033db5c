import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { userInfo } from 'node:os'
import { Transform } from 'node:stream'
import ssh2, { type Connection } from 'ssh2'

const SFTP_SERVER = '/usr/lib/openssh/sftp-server'

/** Types of requests of SFTP. */
export const READ = 5
export const LSTAT = 7
export const REMOVE = 13
const RENAME = 18
const EXTENDED = 200

/** What becomes of a request, from its type byte on: itself, another one, or nothing at all. */
export type Meddling = (request: Buffer) => Buffer | null

/** An SSH server other than OpenSSH on a free port: it lets everybody in, to the SFTP of this disk. */
export interface ForeignSsh extends AsyncDisposable {
  readonly port: number
  readonly username: string
  readonly keys: { readonly plain: string }
  meddle(meddling: Meddling): void
  /** Says that it closes each connection. */
  disconnect(): void
}

export interface ForeignOptions {
  /** What it calls itself. */
  readonly ident?: string
  /** Requests and extensions that it does not know, by the names of sftp-server. */
  readonly without?: readonly string[]
}

/** Starts one. Its SFTP is that of OpenSSH, but for what it is told to leave out or to change. */
export async function startForeignSsh(options: ForeignOptions = {}): Promise<ForeignSsh> {
  const { ident = 'mod_sftp', without = ['limits'] } = options
  const connections = new Set<Connection>()
  let meddling: Meddling = (request) => request
  const server = new ssh2.Server({ hostKeys: [newKey()], ident }, (connection) => {
    // Without it each answer waits for the other side's delayed acknowledgement.
    ;(connection as unknown as { setNoDelay(): void }).setNoDelay()
    connections.add(connection)
    connection.on('error', () => {})
    connection.on('close', () => connections.delete(connection))
    connection.on('authentication', (attempt) => attempt.accept())
    connection.on('session', (accept) => {
      accept().on('subsystem', (accept) => {
        const channel = accept()
        const sftp = spawn(SFTP_SERVER, without.length > 0 ? ['-P', without.join(',')] : [], {
          stdio: ['pipe', 'pipe', 'ignore'],
        })
        for (const one of [channel, sftp.stdin, sftp.stdout]) one.on('error', () => {})
        channel.pipe(changed((request) => meddling(request))).pipe(sftp.stdin)
        sftp.stdout.pipe(channel)
        channel.on('close', () => sftp.stdin.end())
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('there is no port')
  return {
    port: address.port,
    username: userInfo().username,
    keys: { plain: newKey() },
    meddle(next) {
      meddling = next
    },
    disconnect() {
      for (const connection of connections) connection.end()
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((done) => server.close(() => done()))
      for (const connection of connections) connection.end()
      await closed
    },
  }
}

/** Those that ssh2 makes itself are malformed now and then. */
function newKey(): string {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
}

/** The rename of servers that replace what has the name. */
export function replacing(request: Buffer): Buffer {
  if (request[0] !== RENAME) return request
  const name = Buffer.from('posix-rename@openssh.com')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(name.length)
  const id = request.subarray(1, 5)
  return Buffer.concat([Buffer.of(EXTENDED), id, length, name, request.subarray(5)])
}

/** The packets of one direction, each of them meddled with. */
function changed(meddling: Meddling): Transform {
  let rest = Buffer.alloc(0)
  return new Transform({
    transform(bytes: Buffer, _, done) {
      rest = Buffer.concat([rest, bytes])
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
        const end = 4 + rest.readUInt32BE()
        const request = meddling(rest.subarray(4, end))
        rest = rest.subarray(end)
        if (request === null) continue
        const length = Buffer.alloc(4)
        length.writeUInt32BE(request.length)
        this.push(Buffer.concat([length, request]))
      }
      done()
    },
  })
}
