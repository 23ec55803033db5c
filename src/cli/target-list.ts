import { formatBytes } from '../lib/size.ts'
import { openTarget } from '../observe/world.ts'
import { table } from '../view/table.ts'
import type { Context, GlobalFlags } from './context.ts'
import { lookAround } from './look.ts'
import { open } from './opened.ts'

/** `target list`: what each target holds of ours and of others, and what room it has. 13 when one cannot be looked at. */
export async function targetList(
  _words: readonly string[],
  flags: GlobalFlags,
  context: Context,
): Promise<number> {
  await using opened = await open(flags, context)
  const { world, desired } = opened
  const { observed } = await lookAround(world, context, null)
  const complete = observed.history.copies.filter(({ status }) => status === 'complete')
  const rows = await Promise.all(
    desired.targets.map(async ({ id, kind }) => {
      const listing = observed.listings.get(id)
      const copies = complete.filter(({ target }) => target === id)
      const keys = new Set(
        copies.flatMap(({ key }) => [key, `${key}.manifest.json`, `${key}.pin.json`]),
      )
      const foreign =
        listing?.kind === 'listed'
          ? [...listing.objects.keys()].filter((key) => !keys.has(key)).length
          : null
      return {
        id,
        kind,
        copies: copies.length,
        bytes: copies.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
        lastSuccess: copies.reduce<number | null>(
          (last, { takenAt }) => Math.max(last ?? 0, takenAt),
          null,
        ),
        foreign,
        free: await freeOf(id, world, context.interrupted),
        error: listing?.kind === 'unreachable' ? listing.error : null,
      }
    }),
  )
  if (flags.json) {
    const plain = rows.map((row) => ({
      ...row,
      lastSuccess: row.lastSuccess === null ? null : new Date(row.lastSuccess).toISOString(),
    }))
    context.out(JSON.stringify({ targets: plain }, null, 2))
  } else {
    const cells = rows.map((row) => [
      row.id,
      row.kind,
      `${row.copies}`,
      formatBytes(row.bytes),
      row.lastSuccess === null ? '-' : new Date(row.lastSuccess).toISOString(),
      row.foreign === null ? '?' : `${row.foreign}`,
      row.free === null ? '-' : formatBytes(row.free),
      row.error ?? 'ok',
    ])
    context.out(
      table(
        ['TARGET', 'TYPE', 'COPIES', 'SIZE', 'LAST SUCCESS', 'FOREIGN', 'FREE', 'STATE'],
        cells,
      ),
    )
  }
  return rows.some(({ error }) => error !== null) ? 13 : 0
}

async function freeOf(
  id: Parameters<typeof openTarget>[1],
  world: Parameters<typeof openTarget>[0],
  signal: AbortSignal,
): Promise<number | null> {
  try {
    return await (await openTarget(world, id)).free(signal)
  } catch {
    return null // `error` of the row says why
  }
}
