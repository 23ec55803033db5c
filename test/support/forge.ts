import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Document, Workspace } from './holdfast.ts'

/** The manifest of an archive on a local target, as it stands. */
export async function manifestOf(work: Workspace, target: string, key: string): Promise<Document> {
  return JSON.parse(await readFile(work.at(target, `${key}.manifest.json`), 'utf8'))
}

/** Puts `changes` into the manifest beside an archive; a signature stays what it was. */
export async function changeManifest(
  work: Workspace,
  target: string,
  key: string,
  changes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const manifest = { ...(await manifestOf(work, target, key)), ...changes }
  await work.write({ [`${target}/${key}.manifest.json`]: `${JSON.stringify(manifest, null, 2)}\n` })
}

/** What an attacker puts on the target: content of their own under a manifest that is right about it. */
export interface Forgery {
  /** Of the archive to be copied from. */
  readonly like: string
  /** Of the new backup. */
  readonly id: string
  /** Day of the month in 2026-10, to tell forgeries apart. */
  readonly day: number
  readonly content: Uint8Array
  readonly layers: readonly string[]
}

/** Writes a forgery to the local target and gives its key. */
export async function forge(work: Workspace, target: string, forgery: Forgery): Promise<string> {
  const { like, id, day, content, layers } = forgery
  const date = `2026-10-${String(day).padStart(2, '0')}`
  const key = `${like.slice(0, like.lastIndexOf('/'))}/${date}T02-00-00-000Z.${layers.join('.')}`
  const original = await manifestOf(work, target, like)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const manifest = {
    ...original,
    run: `${id}-run`,
    backup: id,
    started: `${date}T02:00:00.000Z`,
    finished: `${date}T02:00:01.000Z`,
    key,
    stored: { bytes: content.byteLength, sha256 },
    layers,
    source: { ...original.source, facts: {} },
  }
  await work.write({
    [`${target}/${key}`]: content,
    [`${target}/${key}.manifest.json`]: `${JSON.stringify(manifest, null, 2)}\n`,
  })
  return key
}
