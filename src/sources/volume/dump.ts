import type { SourceFacts } from '../../core/manifest.ts'
import { isUp } from '../../core/surroundings.ts'
import { openEngine } from '../../docker/engine.ts'
import { seeDocker } from '../../docker/look.ts'
import { SourceFailed } from '../../lib/errors.ts'
import { unreachable } from '../../lib/unreachable.ts'
import type { Dump, SourceContext, SourceReport } from '../source.ts'
import { dumpDirectory } from '../tree/dump.ts'
import { type Access, accessTo } from './access.ts'
import { aloneWith } from './alone.ts'
import { hush } from './calm.ts'
import { requireVolume } from './find.ts'
import { serverIn } from './members.ts'
import { type Place, treeOf } from './place.ts'
import { dumpByEngine } from './read-by-engine.ts'
import { dumpByHelper } from './read-by-helper.ts'
import type { VolumeSettings } from './settings.ts'

/** One archive of the volume, with the hooks and the peace around it that it is to have. */
export async function dumpVolume(
  settings: VolumeSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const engine = await openEngine(settings.address)
  const volume = await requireVolume(engine, settings, signal)
  const place: Place = { engine, volume, settings }
  const hold = await aloneWith({ volume: volume.name }, engine, context, signal)
  await refuseLiveDatabase(place, signal)
  // Before anything is stopped: looking for a way takes its time.
  const access = await accessTo(place, 'read', signal)
  const calm = await hush(place, context, signal)
  try {
    const inner = await dumpBy(place, access, context, signal)
    return {
      content: inner.content,
      async finish(exit) {
        const { warnings, facts } = await calm.end()
        const report = await inner.finish(exit)
        if (!settings.allowEmpty) requireContent(place, report)
        await hold?.confirm()
        return {
          ...report,
          facts: { ...report.facts, ...factsOf(place, access), ...facts },
          warnings: [...report.warnings, ...warnings],
        }
      },
      async [Symbol.asyncDispose]() {
        await inner[Symbol.asyncDispose]()
        await calm.end()
      },
    }
  } catch (error) {
    await calm.end()
    throw error
  }
}

/** Files of a server that runs are no backup of it: until it is known to be one, it has none. */
async function refuseLiveDatabase(
  { engine, volume, settings }: Place,
  signal: AbortSignal,
): Promise<void> {
  if (settings.strategy === 'tar') return
  const server = serverIn(
    await seeDocker(engine, signal),
    volume.name,
    settings.strategy === 'dump',
  )
  if (server === null || !isUp(server)) return
  throw new SourceFailed(
    `volume ${volume.name} holds the database of ${server.name}, which could not be asked yet what to dump`,
    { at: volume.name, hint: 'see why with: holdfast plan; or set strategy: tar on the source' },
  )
}

async function dumpBy(
  place: Place,
  access: Access,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  switch (access.kind) {
    case 'path':
      return await dumpDirectory(treeOf(place.settings, access.path), context, signal)
    case 'helper':
      return dumpByHelper(place, access.box)
    case 'engine':
      return dumpByEngine(place, access.image)
    default:
      return unreachable(access)
  }
}

/** Whatever way it was read. Throws where the root is all that there is. */
function requireContent({ volume }: Place, { facts }: SourceReport): void {
  if (typeof facts.entries === 'number' && facts.entries > 1) return
  throw new SourceFailed(`volume ${volume.name} has nothing in it to back up`, {
    at: volume.name,
    hint: 'set allow_empty: true on the source if that is meant to be',
  })
}

/** Labels that say whose a volume is; any other one may hold anything. */
const OWNER_LABEL = /^(?:com\.docker\.(?:compose|stack)\.|vardo\.|holdfast\.)/

function factsOf({ volume, engine }: Place, access: Access): SourceFacts {
  const labels = Object.entries(volume.labels).filter(([name]) => OWNER_LABEL.test(name))
  return {
    volume: volume.name,
    driver: volume.driver,
    engine: engine.label,
    way: access.kind,
    ...(access.kind === 'path' ? {} : { wayBecause: access.why }),
    labels: labels.map(([name, value]) => `${name}=${value}`),
  }
}
