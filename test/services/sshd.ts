import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePorts } from './processes.ts'

const run = promisify(execFile)
const SSHD = '/usr/sbin/sshd'
const READY_WITHIN = 10_000

/** A private SSH server on a free port of this machine; stopped by its pid when disposed. */
export interface Sshd extends AsyncDisposable {
  readonly port: number
  readonly username: string
  /** Absolute folder of the server's own: keys, log, configuration. */
  readonly folder: string
  /** Private keys that it lets in; `encrypted` has the passphrase `correct horse`. */
  readonly keys: { readonly plain: string; readonly encrypted: string; readonly stranger: string }
  /** Public part of its host keys, as `ssh-ed25519 AAAA…`. */
  readonly hostKeys: { readonly ed25519: string; readonly rsa: string; readonly ecdsa: string }
  /** Of the server and of whatever it started for its connections, the server first. */
  pids(): readonly number[]
  log(): Promise<string>
  /** Kills it, and whatever it started for its connections. */
  crash(): Promise<void>
  /** Starts it again after that. */
  revive(): Promise<void>
}

export interface SshdOptions {
  /** Another one than a free port. */
  readonly port?: number
  /** Lines for its configuration. */
  readonly lines?: readonly string[]
}

/** Starts sshd with SFTP and nothing else: whoever asks it for a shell or a program gets none. */
export async function startSshd({ port, lines = [] }: SshdOptions = {}): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sshd-'))
  try {
    await chmod(folder, 0o755)
    const keys = await makeKeys(folder)
    const [chosen = 0] = port === undefined ? await freePorts(1) : [port]
    await writeFile(join(folder, 'sshd_config'), configuration(folder, chosen, lines))
    if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true })
    return await running(folder, chosen, keys)
  } catch (error) {
    await rm(folder, { recursive: true })
    throw error
  }
}

function withDescendants(pid: number): number[] {
  const children = readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(withDescendants)]
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'latin1')
  } catch {
    return '' // it has ended
  }
}

/** A process that may be stopped, or have ended by now. */
function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
    process.kill(pid, 'SIGCONT')
  } catch {
    // It has.
  }
}

type Keys = Pick<Sshd, 'keys' | 'hostKeys'>

async function running(folder: string, port: number, keys: Keys): Promise<Sshd> {
  let { pid, ended } = await listening(folder, port)
  const endAll = async (signal: NodeJS.Signals) => {
    for (const one of withDescendants(pid).reverse()) end(one, signal)
    await ended
  }
  return {
    ...keys,
    port,
    username: userInfo().username,
    folder,
    pids: () => withDescendants(pid),
    log: () => readFile(logOf(folder), 'utf8'),
    crash: () => endAll('SIGKILL'),
    async revive() {
      ;({ pid, ended } = await listening(folder, port))
    },
    async [Symbol.asyncDispose]() {
      await endAll('SIGTERM')
      await rm(folder, { recursive: true })
    },
  }
}

function logOf(folder: string): string {
  return join(folder, 'log')
}

/** Resolves once it answers. */
async function listening(folder: string, port: number) {
  const log = logOf(folder)
  const child = spawn(SSHD, ['-D', '-f', join(folder, 'sshd_config'), '-E', log], {
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  try {
    await until(() => answers(port), ended)
  } catch (cause) {
    const told = await readFile(log, 'utf8').catch(() => '')
    child.kill('SIGKILL')
    throw new Error(`sshd did not start: ${told}`, { cause })
  }
  return { pid: child.pid ?? 0, ended }
}

async function makeKeys(folder: string): Promise<Keys> {
  const make = async (name: string, type: string, passphrase = '') => {
    const path = join(folder, name)
    await run('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-f', path, '-C', name])
    return path
  }
  const read = (path: string) => readFile(path, 'utf8')
  const publicKey = async (path: string) =>
    (await read(`${path}.pub`)).split(' ').slice(0, 2).join(' ')
  const [ed25519, rsa, ecdsa, plain, encrypted, stranger] = await Promise.all([
    make('host_ed25519', 'ed25519'),
    make('host_rsa', 'rsa'),
    make('host_ecdsa', 'ecdsa'),
    make('plain', 'ed25519'),
    make('encrypted', 'ed25519', 'correct horse'),
    make('stranger', 'ed25519'),
  ])
  const known = await Promise.all([plain, encrypted].map((path) => read(`${path}.pub`)))
  await writeFile(join(folder, 'authorized_keys'), known.join(''), { mode: 0o600 })
  return {
    keys: {
      plain: await read(plain),
      encrypted: await read(encrypted),
      stranger: await read(stranger),
    },
    hostKeys: {
      ed25519: await publicKey(ed25519),
      rsa: await publicKey(rsa),
      ecdsa: await publicKey(ecdsa),
    },
  }
}

function configuration(folder: string, port: number, lines: readonly string[]): string {
  const own = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...['ed25519', 'rsa', 'ecdsa'].map((type) => `HostKey ${folder}/host_${type}`),
    `PidFile ${folder}/pid`,
    `AuthorizedKeysFile ${folder}/authorized_keys`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'Subsystem sftp internal-sftp',
    'ForceCommand internal-sftp',
    'AllowTcpForwarding no',
    'PermitTTY no',
  ]
  // The first word on a matter counts.
  return [...lines, ...own, ''].join('\n')
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [first] = await once(socket, 'data')
    return String(first).startsWith('SSH-2.0-')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function until(isSo: () => Promise<boolean>, ended: Promise<unknown>): Promise<void> {
  const tooLate = Date.now() + READY_WITHIN
  const end = ended.then(() => 'ended' as const)
  while (!(await isSo())) {
    if (Date.now() > tooLate) throw new Error('it did not answer in time')
    if ((await Promise.race([end, later(20)])) === 'ended') throw new Error('it ended')
  }
}
