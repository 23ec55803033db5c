import type { Copy } from '../core/model.ts'
import { restorePins } from '../core/restore-pins.ts'
import { parseRestoreRequest } from '../core/restore-request.ts'
import { RestoreFailed } from '../lib/errors.ts'
import { unreachable } from '../lib/unreachable.ts'
import { openSource, type World } from '../observe/world.ts'
import { type Archive, archiveOfFile } from './archive.ts'
import { archiveOfObject } from './archive-object.ts'
import { onlyFitting, type Place, placeNamed } from './place.ts'
import { onDeclared, resolveReference } from './resolve.ts'
import type { RestoreOrder } from './restore-order.ts'

/** An order into the source itself, as a boot restore always is. */
export type PlacedOrder = RestoreOrder & { readonly place: Place }

/** Resolves the value of the boot variable. Throws `RestoreFailed`, and whatever tells why, without touching anything. */
export async function resolveRequest(
  value: string,
  world: World,
  signal: AbortSignal,
): Promise<PlacedOrder> {
  const request = parseRestoreRequest(value)
  switch (request.kind) {
    case 's3':
      return placed(
        await orderOf(await archiveOfObject(request.object, world, signal), value, world),
      )
    case 'file': {
      const archive = await archiveOfFile(request.path, world, signal)
      return placed(await orderOf(archive, value, world))
    }
    case 'reference': {
      const options = { to: null, only: null, force: false, direct: false }
      return placed(await resolveReference(request.text, options, world, signal), 'boot')
    }
    default:
      return unreachable(request)
  }
}

function placed(order: RestoreOrder, by: RestoreOrder['by'] = 'boot'): PlacedOrder {
  if (order.place === null)
    throw new RestoreFailed(`${order.reference} belongs to no declared source`, {
      hint: 'declare its source again; or unset the variable and restore it elsewhere with --to',
    })
  return { ...order, by, place: order.place }
}

/** The manifest decides whose archive it is; without one, the only source of a fitting type. */
async function orderOf(archive: Archive, reference: string, world: World): Promise<RestoreOrder> {
  const place = archive.manifest
    ? placeNamed(archive.manifest, world)
    : await onlyFitting(archive, world)
  const source = await openSource(world, place.job, place.source)
  const { copies } = await world.store.history({ depth: 'full', jobs: [place.job.id] })
  const backup = archive.manifest?.backup
  return {
    reference,
    by: 'boot',
    archive,
    others: [],
    source,
    place,
    to: null,
    only: null,
    force: false,
    direct: false,
    pins: backup ? restorePins(backup, onDeclared(withOwn(copies, archive), world)) : [],
  }
}

/** With nothing but a config there is no history, and the copy restored from is to be pinned all the same. */
function withOwn(copies: readonly Copy[], { copy }: Archive): readonly Copy[] {
  const isKnown = copies.some(({ key, target }) => key === copy?.key && target === copy.target)
  return copy === null || isKnown ? copies : [...copies, copy]
}
