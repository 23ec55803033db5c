import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadConfigText } from '../../src/config/load.ts'
import type { Desired, Instant } from '../../src/core/model.ts'
import { ConfigError, type Fault } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'

/** What every test takes for now. */
export const NOW = Date.parse('2026-11-20T12:00:00Z') as Instant

export type Environment = Readonly<Record<string, string | undefined>>

/** Loads a text as if it were `/etc/holdfast/<name>`, seen from that folder. */
export function loadText(
  text: string,
  env: Environment = {},
  name = 'holdfast.yml',
): Promise<Desired> {
  const folder = '/etc/holdfast'
  return loadConfigText({ text, path: join(folder, name), env, cwd: folder, now: NOW })
}

/** The faults of a text; none when it loads. */
export function faultsIn(
  text: string,
  env: Environment = {},
  name = 'holdfast.yml',
): Promise<readonly Fault[]> {
  return faultsOf(loadText(text, env, name))
}

/** The faults that a loading ends with; none when it succeeds. */
export async function faultsOf(loading: Promise<Desired>): Promise<readonly Fault[]> {
  try {
    await loading
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

/** `at path: message`, and the hint where there is one. */
export function line({ at, path, message, hint }: Fault): string {
  return `${at} ${path}: ${message}${hint === null ? '' : ` (${hint})`}`
}

/** What a secret hides, or null when the value is none. */
export function revealed(value: unknown): string | null {
  return value instanceof Secret ? value.reveal() : null
}

/** A folder that is gone at the end of the block that uses it. */
export interface Folder extends AsyncDisposable {
  readonly path: string
  write(name: string, text: string | Uint8Array): Promise<string>
}

export async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-config-'))
  return {
    path,
    async write(name, text) {
      const file = join(path, name)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
      return file
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** A job that is valid wherever it stands. */
export const SOURCE = '{ type: directory, path: /srv/data }'
