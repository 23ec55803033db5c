import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll } from 'vitest'
import { Secret } from '../../src/lib/secret.ts'
import type { Program } from '../../src/platform/program.ts'
import type { AgeSealing, Identity } from '../../src/stream/keys.ts'
import type { Recipe } from '../../src/stream/seal.ts'

/** A signal that is never aborted. */
export const never = new AbortController().signal

/** A folder for the tests of one file, removed after them. */
export function folder(): (name: string) => string {
  let root = ''
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-stream-'))
  })
  afterAll(() => rm(root, { recursive: true, force: true }))
  return (name) => join(root, name)
}

export const sh = (script: string, ...args: string[]): Program => ({
  command: 'sh',
  args: ['-c', script, 'sh', ...args],
})

/** The bytes, in chunks of these sizes over and over. */
export async function* inChunks(bytes: Uint8Array, ...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    yield Buffer.from(bytes.subarray(at, at + size)) // whoever takes it may free it
    at += size
  }
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')

/** Half of it compresses. */
export function mixed(size: number): Buffer {
  const bytes = Buffer.alloc(size, 'holdfast ')
  for (let at = 0; at < size; at += 128 * 1024) {
    randomBytes(Math.min(64 * 1024, size - at)).copy(bytes, at)
  }
  return bytes
}

export interface Pair {
  readonly text: string
  readonly recipient: string
  readonly sealing: AgeSealing
  readonly identity: Identity
}

export async function pair(text?: string): Promise<Pair> {
  const own = text ?? (await generateIdentity())
  const recipient = await identityToRecipient(own)
  return {
    text: own,
    recipient,
    sealing: { kind: 'recipients', recipients: [recipient] },
    identity: { kind: 'identity', secret: new Secret(own), file: 'test.key' },
  }
}

export const plain: Recipe = {
  layer: 'raw',
  compression: { kind: 'none' },
  encryption: null,
  threads: 0,
  nice: 0,
  throttle: null,
}

/** True while the process is there and no zombie. */
export function lives(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** Living children of this process that run `name`. */
export function children(name: string): readonly number[] {
  const ids = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')
  return ids
    .map(Number)
    .filter((pid) => pid > 0 && lives(pid))
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name)
}
