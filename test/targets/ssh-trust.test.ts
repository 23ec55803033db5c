import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Event } from '../../src/core/event.ts'
import { ConfigError, TargetUnreachable } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { fingerprintOf, knownKeys } from '../../src/targets/ssh/host-key.ts'
import { type Sshd, startSshd } from '../services/sshd.ts'
import { folder, openSsh } from './ssh-support.ts'

const CHILD = join(import.meta.dirname, 'ssh-child.ts')
const run = promisify(execFile)
const signal = new AbortController().signal
let sshd: Sshd

beforeAll(async () => {
  sshd = await startSshd({ lines: [2, 3, 4].map((n) => `ListenAddress 127.0.0.${n}`) })
})
afterAll(() => sshd[Symbol.asyncDispose]())

describe('the host of an SSH target', () => {
  it('is trusted at the first contact, which is told once with its fingerprint', async () => {
    const dataDir = await folder()
    const events: Event[] = []
    for (let time = 0; time < 2; time++) await look({ dataDir, events })

    const name = `[127.0.0.1]:${sshd.port}`
    const known = join(dataDir, 'known_hosts')
    expect(await readFile(known, 'utf8')).toBe(`${name} ${sshd.hostKeys.ed25519}\n`)
    expect((await stat(known)).mode & 0o777).toBe(0o600)
    const fingerprint = printOf(sshd.hostKeys.ed25519)
    expect(events).toEqual([
      expect.objectContaining({
        event: 'target.first_contact',
        level: 'warn',
        detail: expect.objectContaining({ host: name, fingerprint }),
      }),
    ])
    expect((await run('ssh-keygen', ['-lf', known])).stdout).toContain(fingerprint)
  })

  it('is refused with another key, naming both and the line to remove', async () => {
    const dataDir = await folder()
    await look({ dataDir })
    await using other = await startSshd()
    const known = join(dataDir, 'known_hosts')
    const line = (await readFile(known, 'utf8')).replace(`${sshd.port}`, `${other.port}`)
    await writeFile(known, `# of another day\n${line}`)

    const error = await failure(openSsh(other, { path: '/x', dataDir }).stat('a', signal))

    expect(error).toBeInstanceOf(TargetUnreachable)
    expect(error.message).toContain(printOf(sshd.hostKeys.ed25519))
    expect(error.message).toContain(printOf(other.hostKeys.ed25519))
    expect(error.hint).toContain(`remove line 2 of ${known}`)
    expect(await readFile(known, 'utf8')).toBe(`# of another day\n${line}`)
  })

  it('is never lost from the file when several processes meet hosts at once', async () => {
    const dataDir = await folder()
    const hosts = [1, 2, 3, 4].map((n) => `127.0.0.${n}`)
    const codes = await Promise.all(
      hosts.map(async (host) => {
        const { port, username, keys } = sshd
        const block = { host, port, username, path: '/x', private_key: keys.plain }
        const args = [CHILD, JSON.stringify(block), dataDir, 'stat', 'a']
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
        return (await once(child, 'exit'))[0]
      }),
    )

    expect(codes).toEqual([0, 0, 0, 0])
    const text = await readFile(join(dataDir, 'known_hosts'), 'utf8')
    const lines = hosts.map((host) => `[${host}]:${sshd.port} ${sshd.hostKeys.ed25519}`)
    expect(text.trim().split('\n').sort()).toEqual(lines)
  })

  it('is the one of known_hosts_file: plain, hashed, of any key type, and no other', async () => {
    const file = join(await folder(), 'hosts')
    const name = `[127.0.0.1]:${sshd.port}`
    const { ed25519, rsa, ecdsa } = sshd.hostKeys
    for (const key of [ed25519, rsa, ecdsa]) {
      await writeFile(file, `other ${ed25519}\n${name} ${key}\n`)
      await look({ known_hosts_file: file })
    }
    await run('ssh-keygen', ['-H', '-f', file])
    expect(await readFile(file, 'utf8')).not.toContain(name)
    await look({ known_hosts_file: file })

    await writeFile(file, `@revoked * ${ed25519}\n${name} ${ed25519}\n`)
    expect((await lookFails({ known_hosts_file: file })).message).toContain(`${file}:1 revokes`)
    await writeFile(file, `elsewhere ${ed25519}\n`)
    const unnamed = await lookFails({ known_hosts_file: file })
    expect(unnamed).toBeInstanceOf(TargetUnreachable)
    expect(unnamed.message).toContain(`does not name it; it shows ssh-ed25519 ${printOf(ed25519)}`)
    const missing = await lookFails({ known_hosts_file: `${file}.not` })
    expect(missing).toBeInstanceOf(ConfigError)
    expect(missing.message).toContain('targets.nas.known_hosts_file: cannot be read')
  })

  it('is the one that host_key names, by its line or its fingerprint', async () => {
    const { ed25519, rsa } = sshd.hostKeys
    for (const host_key of [ed25519, `${ed25519} root@nas`, rsa, printOf(ed25519)]) {
      const dataDir = await folder()
      await look({ host_key, dataDir })
      await expect(stat(join(dataDir, 'known_hosts'))).rejects.toThrow('ENOENT')
    }
    await using other = await startSshd()
    for (const host_key of [other.hostKeys.ed25519, printOf(other.hostKeys.ed25519)]) {
      const { message } = await lookFails({ host_key })
      expect(message).toMatch(/host_key is .*, it shows ssh-ed25519 /)
      expect(message).toContain(printOf(other.hostKeys.ed25519))
      expect(message).toContain(printOf(sshd.hostKeys.ed25519))
    }
    const open = async (host_key: string) => await lookFails({ host_key })
    for (const wrong of ['SHA256:short', 'ssh-ed25519', 'ssh-rsa AAAAC3NzaC1lZDI1NTE5']) {
      expect((await open(wrong)).message).toContain('targets.nas.host_key: must be a line')
    }
  })
})

describe('a file of known hosts', () => {
  it('names hosts by patterns, ports and exceptions', () => {
    const key = 'ssh-ed25519 AAAA'
    const lines = [
      '# nas AAAA b',
      'nas,10.0.0.1 K',
      '*.lan,!bad.lan K',
      '[nas]:2222 K',
      '@cert-authority * K',
    ]
    const text = lines.join('\r\n').replaceAll('K', key)
    const found = (host: string, port = 22) => knownKeys(text, host, port).map(({ line }) => line)

    expect(found('nas')).toEqual([2])
    expect(found('NAS')).toEqual([2])
    expect(found('10.0.0.1')).toEqual([2])
    expect(found('10x0.0.1')).toEqual([])
    expect(found('a.lan')).toEqual([3])
    expect(found('bad.lan')).toEqual([])
    expect(found('nas', 2222)).toEqual([4])
    expect(found('nas', 2223)).toEqual([2]) // as ssh does, what is told of the host serves any port
  })
})

describe('who we are to an SSH host', () => {
  it('is proven by a key, a key with a passphrase, or the agent', async () => {
    const { plain, encrypted } = sshd.keys
    await look({ private_key: new Secret(plain.trim().replaceAll('\n', '\r\n')) })
    const passphrase = new Secret('correct horse')
    await look({ private_key: new Secret(encrypted), passphrase })
    await using agent = await startAgent(join(sshd.folder, 'plain'))
    vi.stubEnv('SSH_AUTH_SOCK', agent.socket)
    onTestFinished(() => void vi.unstubAllEnvs())
    await look({ private_key: null })
  })

  it('is a fault of the block where it can be told from it, without a word of the key', async () => {
    const encrypted = new Secret(sshd.keys.encrypted)
    vi.stubEnv('SSH_AUTH_SOCK', '')
    onTestFinished(() => void vi.unstubAllEnvs())
    const cases = [
      [{ private_key: encrypted }, 'passphrase: is missing, and the private key is encrypted'],
      [{ private_key: encrypted, passphrase: new Secret('hush') }, 'passphrase: does not open'],
      [{ private_key: new Secret('hush hush') }, 'private_key: is no private key'],
      [{ private_key: new Secret(sshd.hostKeys.rsa) }, 'private_key: is no private key'],
      [{ private_key: null }, 'private_key: is not set, and SSH_AUTH_SOCK names no agent'],
    ] as const
    for (const [block, message] of cases) {
      const error = await lookFails(block)
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).toContain(`targets.nas.${message}`)
      expect(error.message).not.toContain('hush')
    }
  })

  it('is refused by the host with a key that it does not know, and with an agent that is gone', async () => {
    const stranger = await lookFails({ private_key: new Secret(sshd.keys.stranger) })
    expect(stranger).toBeInstanceOf(TargetUnreachable)
    expect(stranger.message).toContain(`does not let ${sshd.username} in with that key`)

    vi.stubEnv('SSH_AUTH_SOCK', join(sshd.folder, 'no-agent'))
    onTestFinished(() => void vi.unstubAllEnvs())
    const gone = await lookFails({ private_key: null })
    expect(gone).toBeInstanceOf(TargetUnreachable)
    expect(gone.message).toContain('the SSH agent')
  })
})

type Looking = Readonly<Record<string, string | Secret | null | Event[]>> & {
  readonly dataDir?: string
  readonly events?: Event[]
}

/** Asks the host for something, on a new connection. */
async function look({ dataDir, events, ...block }: Looking): Promise<void> {
  const opening = { path: '/x', dataDir: dataDir ?? (await folder()), events: events ?? [] }
  const words = block as Readonly<Record<string, string | Secret | null>>
  expect(await openSsh(sshd, { ...opening, block: words }).stat('a', signal)).toBeNull()
}

function lookFails(looking: Looking): Promise<ConfigError | TargetUnreachable> {
  return failure(look(looking))
}

async function failure(work: Promise<unknown>): Promise<ConfigError | TargetUnreachable> {
  return await work.then(
    () => {
      throw new Error('it succeeded')
    },
    (error) => error,
  )
}

function printOf(line: string): string {
  return fingerprintOf(Buffer.from(line.split(' ')[1] ?? '', 'base64'))
}

async function startAgent(key: string): Promise<AsyncDisposable & { readonly socket: string }> {
  const socket = join(await folder(), 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(agent.stdout, 'data')
  await run('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
  return {
    socket,
    async [Symbol.asyncDispose]() {
      agent.kill()
      await once(agent, 'exit')
    },
  }
}
