import { type Archive, archiveOfCopy } from '../act/archive.ts'
import type { Choice } from '../core/choose.ts'
import { allEncryptions } from '../core/encryptions.ts'
import { Refused } from '../lib/errors.ts'
import type { World } from '../observe/world.ts'
import { listContents } from '../stream/contents.ts'
import { loadIdentities } from '../stream/keys.ts'
import { backupDetails } from '../view/backups.ts'
import { chosen } from './chosen.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'
import { rowsBy } from './rows.ts'

export interface ShowFlags {
  readonly contents?: boolean
}

/** `backup show REF [--contents]`: a backup with its copies and manifest, or what its archive holds. */
export async function backupShow(
  words: readonly string[],
  flags: ShowFlags & GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world } = opened
  const documents: unknown[] = []
  for (const choice of await chosen(words, world)) {
    const archive = await archiveOf(choice, world, context)
    if (flags.contents) {
      const lines: string[] = []
      await tellContents(archive, world, context, (line) => {
        if (flags.json) lines.push(line)
        else context.out(line)
      })
      documents.push({ id: choice.backup.id, contents: lines })
      continue
    }
    const { observed, plan } = await lookAround(world, context, [choice.backup.job])
    const rows = rowsBy(observed, plan)(choice.backup, choice.copies)
    documents.push({ id: choice.backup.id, copies: rows, manifest: manifestOf(archive) })
    if (!flags.json) context.out(backupDetails(rows, archive.manifest))
  }
  if (flags.json) context.out(JSON.stringify({ backups: documents }, null, 2))
  return 0
}

function manifestOf({ manifestText }: Archive): unknown {
  return manifestText === null ? null : JSON.parse(manifestText)
}

/** The archive of its most trustworthy copy. */
export async function archiveOf(
  { copies }: Choice,
  world: World,
  context: Context,
): Promise<Archive> {
  const [copy] = copies
  if (!copy) throw new Refused('the backup has no complete copy')
  return await archiveOfCopy(copy, world, context.interrupted)
}

/** Streams the member list: an archive may hold millions. */
async function tellContents(
  archive: Archive,
  world: World,
  context: Context,
  tell: (line: string) => void,
): Promise<void> {
  const keys = await loadIdentities(allEncryptions(world.desired))
  const body = await archive.open(context.interrupted)
  const opening = { layers: archive.layers, keys }
  for await (const line of listContents(body, opening, context.interrupted)) tell(line)
}
