import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Event } from '../../src/core/event.ts'
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { LIMITS, type SshLimits } from '../../src/targets/ssh/limits.ts'
import { sshKind } from '../../src/targets/ssh/ssh.ts'
import type { Target } from '../../src/targets/target.ts'
import type { Sshd } from '../services/sshd.ts'
import { surroundings } from '../support/surroundings.ts'

/** Shorter than a person would have them. */
export const HASTY: SshLimits = {
  ...LIMITS,
  connect: 3_000,
  silence: 800,
  answer: 1_500,
  idle: 300,
  tidyUp: 10_000,
}

export interface Opening {
  readonly path: string
  readonly dataDir: string
  /** Keys of the block beside, or instead of, those that lead to the server. */
  readonly block?: Readonly<Record<string, string | number | Secret | null>>
  readonly limits?: SshLimits
  readonly events?: Event[]
}

/** What leads to a server. */
export type Server = Pick<Sshd, 'port' | 'username'> & {
  readonly keys: Pick<Sshd['keys'], 'plain'>
}

/** A target on that server, with connections of its own. */
export function openSsh(sshd: Server, { path, dataDir, block, limits, events }: Opening): Target {
  const options = {
    host: '127.0.0.1',
    port: sshd.port,
    username: sshd.username,
    path,
    private_key: new Secret(sshd.keys.plain),
    ...block,
  }
  return sshKind(limits ?? HASTY).configure(
    section('targets.nas', options),
    surroundings({ dataDir, report: (event) => events?.push(event) }),
  )
}

/** A folder of the test's own. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-ssh-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

export async function* body(bytes: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left)
}
