import { createWriteStream } from 'node:fs'
import { basename, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Archive, archiveOfCopy } from '../act/archive.ts'
import { pin as pinCopy, unpin as unpinCopy } from '../act/pin.ts'
import { type Choice, chooseBackups } from '../core/choose.ts'
import { encodeManifest } from '../core/manifest.ts'
import { knownJobs, parseReference } from '../core/reference.ts'
import { Refused } from '../lib/errors.ts'
import { formatBytes } from '../lib/size.ts'
import type { World } from '../observe/world.ts'
import { listContents } from '../stream/contents.ts'
import { loadIdentities } from '../stream/keys.ts'
import { backupDetails, backupRow } from '../view/backups.ts'
import type { Context, GlobalFlags } from './context.ts'
import { open } from './opened.ts'

export interface ShowFlags {
  readonly contents?: boolean
}

async function choose(words: readonly string[], world: World): Promise<readonly Choice[]> {
  const [reference, ...rest] = words
  if (reference === undefined || rest.length > 0)
    throw new Refused('say which backup', { hint: 'a reference: job/source@latest' })
  const history = await world.store.history({ depth: 'full', jobs: null })
  return chooseBackups(history, parseReference(reference, knownJobs(world.desired.jobs, history)))
}

/** `backup show REF [--contents]`: a backup with its copies and manifest, or what its archive holds. */
export async function backupShow(
  words: readonly string[],
  flags: ShowFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  for (const choice of await choose(words, world)) {
    const archive = await archiveOf(choice, world, context)
    if (flags.contents) await printContents(archive, world, context)
    else {
      const rows = choice.copies.map((copy) => backupRow(choice.backup, copy, [], false))
      const manifest = archive.manifest && JSON.parse(encodeManifest(archive.manifest))
      context.out(
        flags.json
          ? JSON.stringify({ backup: rows, manifest }, null, 2)
          : backupDetails(rows, archive.manifest),
      )
    }
  }
  return 0
}

async function archiveOf({ copies }: Choice, world: World, context: Context): Promise<Archive> {
  const [copy] = copies
  if (!copy) throw new Refused('the backup has no complete copy')
  return await archiveOfCopy(copy, world, context.interrupted)
}

/** Streams the member list: an archive may hold millions. */
async function printContents(archive: Archive, world: World, context: Context): Promise<void> {
  const keys = await loadIdentities([
    ...world.desired.jobs.map(({ encryption }) => encryption),
    world.desired.encryption,
  ])
  const body = await archive.open(context.interrupted)
  for await (const line of listContents(
    body,
    { layers: archive.layers, keys },
    context.interrupted,
  ))
    context.out(line)
}

/** `backup download REF [FILE]`: the archive as stored, with its manifest beside it. */
export async function backupDownload(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  const choices = await choose(words.slice(0, 1), world)
  const [choice, ...others] = choices
  if (!choice || others.length > 0) throw new Refused('name one source: job/source@latest')
  const archive = await archiveOf(choice, world, context)
  const path = resolve(context.cwd, words[1] ?? basename(archive.name))
  const body = await archive.open(context.interrupted)
  await pipeline(body, createWriteStream(path, { flags: 'wx', flush: true }), {
    signal: context.interrupted,
  })
  if (archive.manifest)
    await pipeline(
      [encodeManifest(archive.manifest)],
      createWriteStream(`${path}.manifest.json`, { flags: 'wx', flush: true }),
    )
  context.out(`${path} (${formatBytes(archive.bytes ?? 0)})`)
  return 0
}

export interface PinFlags {
  readonly reason?: string
}

/** `backup pin REF [--reason]`: keeps every copy of it whatever retention says. */
export async function backupPin(
  words: readonly string[],
  flags: PinFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  for (const { backup, copies } of await choose(words, opened.world)) {
    for (const copy of copies)
      await pinCopy(copy, flags.reason ?? 'pinned by command', opened.world, context.interrupted)
    context.out(`pinned ${backup.job}/${backup.source}@${backup.id}`)
  }
  return 0
}

/** `backup unpin REF`: gives it back to retention. */
export async function backupUnpin(
  words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  for (const { backup, copies } of await choose(words, opened.world)) {
    for (const copy of copies) await unpinCopy(copy, opened.world, context.interrupted)
    context.out(`unpinned ${backup.job}/${backup.source}@${backup.id}`)
  }
  return 0
}
