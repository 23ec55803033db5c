import { chmod, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Http } from '../core/fleet.ts'
import type { Face, Inside } from '../daemon/face.ts'
import { Failure, messageOf } from '../lib/errors.ts'
import { type Listening, listenAt } from './listening.ts'

/** In data_dir; whoever may open it may do what the command line may. */
export const SOCKET = 'holdfast.sock'

/** What the system takes as the path of a socket, in bytes. */
const LONGEST_PATH = 107

/** Opens the socket in data_dir, and the address that the file declares under `http`. */
export const openFace: Face = async (inside) => {
  const { dataDir, http } = inside.world().desired
  const path = join(dataDir, SOCKET)
  const hint = 'set data_dir to a folder with a short path where a socket can be made'
  const socket = await orWarn(inside, { at: path, hint }, () => openSocket(inside, path))
  const tcp = http === null ? null : await openAddress(inside, http).catch(closing(socket))
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all([socket, tcp].map((one) => one?.[Symbol.asyncDispose]()))
    },
  }
}

/** What is open already does not outlive a start that fails. */
function closing(open: AsyncDisposable | null): (error: unknown) => Promise<never> {
  return async (error) => {
    await open?.[Symbol.asyncDispose]()
    throw error
  }
}

/** The data_dir is ours alone by its lock: what stands there is what a dead daemon left. */
async function openSocket(inside: Inside, path: string): Promise<AsyncDisposable> {
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new Failure('http_unavailable', `its path is longer than ${LONGEST_PATH} bytes`)
  }
  const listening = await bindPrivately(inside, path)
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true })
      await listening[Symbol.asyncDispose]()
    },
  }
}

/** A socket is made for all that the umask lets in: nobody may find it before that is put right. */
async function bindPrivately(inside: Inside, path: string): Promise<Listening> {
  const folder = await mkdtemp(join(dirname(path), '.h-'))
  const unfinished = join(folder, 's')
  try {
    const listening = await listenAt(inside, 'socket', { path: unfinished })
    await chmod(unfinished, 0o600)
    await rename(unfinished, path)
    return listening
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The usual address may be another daemon's; one that somebody declared is relied on. */
async function openAddress(inside: Inside, http: Http): Promise<Listening | null> {
  const { host, port, isDeclared } = http
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const hint = 'free it, or set http.listen to another one'
  if (!isDeclared) return await orWarn(inside, { at: address, hint }, () => listen(inside, http))
  return await listen(inside, http).catch((cause: unknown) => {
    const message = `cannot listen on ${address}: ${messageOf(cause)}`
    throw new Failure('http_unavailable', message, { cause, hint })
  })
}

async function listen(inside: Inside, { host, port }: Http): Promise<Listening> {
  const listening = await listenAt(inside, 'tcp', { ...(host === '' ? {} : { host }), port })
  const address = listening.server.address()
  if (typeof address === 'object' && address !== null) {
    const { address: name, port: taken, family } = address
    const at = family === 'IPv6' ? `[${name}]:${taken}` : `${name}:${taken}`
    inside.world().report({
      event: 'http.listening',
      level: 'info',
      message: `health, metrics and control on ${at}`,
      detail: { address: at },
    })
  }
  return listening
}

/** Goes on without it, and says so. */
async function orWarn<T>(
  inside: Inside,
  { at, hint }: { readonly at: string; readonly hint: string },
  open: () => Promise<T>,
): Promise<T | null> {
  try {
    return await open()
  } catch (error) {
    inside.world().report({
      event: 'http.unavailable',
      level: 'warn',
      message: `cannot listen on ${at}: ${messageOf(error)}`,
      detail: { address: at, hint },
    })
    return null
  }
}
