import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { DesiredTarget, Instant } from '../core/model.ts'
import { ArchiveDamaged, TargetUnreachable } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import type { Stored, Target } from '../targets/target.ts'

const MIB = 1024 * 1024

/** A test under way: what its steps share. */
export interface Probing {
  readonly declared: DesiredTarget
  readonly world: World
  readonly folder: string
  readonly token: string
  readonly small: Buffer
  /** Set by the first step. */
  target: Target | null
  /** When the small probe was written, by our clock; null before anything was. */
  written: { readonly begun: Instant; ended: Instant } | null
}

/** Steps after the first are not taken unless it went well. */
export function opened({ target, declared }: Probing): Target {
  if (target) return target
  throw new TargetUnreachable(`${declared.id} was not reached`)
}

export function smallKey({ folder }: Probing): string {
  return `${folder}small`
}

export async function put(
  probing: Probing,
  key: string,
  content: Buffer,
  signal: AbortSignal,
): Promise<Stored> {
  // Each write is told apart: a server that lost its answer is asked whose object it has.
  const token = `${probing.token}-${probing.world.newId()}`
  const putting = { token, expected: content.length }
  return await opened(probing).put(key, pieces(content), putting, signal)
}

async function* pieces(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += MIB) yield content.subarray(at, at + MIB)
}

export async function readAll(
  probing: Probing,
  key: string,
  start: number,
  signal: AbortSignal,
): Promise<Buffer> {
  return await buffer(await opened(probing).get(key, start, signal))
}

export async function hashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

export async function statOf(probing: Probing, signal: AbortSignal) {
  const found = await opened(probing).stat(smallKey(probing), signal)
  if (found) return found
  throw new TargetUnreachable('it does not know what was written just now')
}

export function expectSame(read: Buffer, written: Buffer, what: string): void {
  if (!read.equals(written)) throw new ArchiveDamaged(`${what} is not what was written`)
}
