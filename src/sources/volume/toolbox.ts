import { buffer } from 'node:stream/consumers'
import { listContainers, lookAtContainer } from '../../docker/containers.ts'
import type { Engine } from '../../docker/engine.ts'
import { startHelper } from '../../docker/helper.ts'
import { listImages } from '../../docker/images.ts'
import { ownContainer } from '../../docker/own-container.ts'
import { EngineRefused, messageOf } from '../../lib/errors.ts'
import { ownerOf, type Place } from './place.ts'
import { usersOf } from './users.ts'

/** An image of the engine with a tar in it that ran. */
export interface Toolbox {
  readonly image: string
  readonly tar: 'gnu' | 'busybox'
  /** As the tar tells it. */
  readonly version: string
}

/** So many images are tried; more would take longer than any of the other ways. */
const MOST_TRIED = 10
/** Milliseconds for a `tar --version`. */
const PROBE_LIMIT = 60_000

/** An image that is there already: the daemon's own first, those of the volume's users, any other. */
export async function findToolbox(
  place: Place,
  signal: AbortSignal,
): Promise<Toolbox | { readonly why: string }> {
  const { image } = place.settings
  const candidates = image === null ? await candidatesOf(place, signal) : [image]
  let lesser: Toolbox | null = null
  let said = 'the engine has no image'
  for (const one of candidates.slice(0, MOST_TRIED)) {
    const found = await probe(place, one, signal)
    if ('why' in found) said = `no image has a tar that runs: ${found.why}`
    else if (found.tar === 'gnu') return found
    else lesser ??= found
  }
  return lesser ?? { why: said }
}

/** Some image: for a container that never runs it need not have anything in it. */
export async function anyImage(place: Place, signal: AbortSignal): Promise<string | null> {
  return place.settings.image ?? (await candidatesOf(place, signal))[0] ?? null
}

async function candidatesOf(
  { engine, volume }: Place,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const own = await ownImage(engine, signal)
  const users = usersOf(await listContainers(engine, signal), volume.name)
  const images = await listImages(engine, signal)
  const others = images.toSorted((one, other) => one.size - other.size).map(({ id }) => id)
  return [
    ...new Set([...(own === null ? [] : [own]), ...users.map(({ image }) => image), ...others]),
  ]
}

/** The image that this process runs in, if that is a container of this very engine. */
async function ownImage(engine: Engine, signal: AbortSignal): Promise<string | null> {
  const id = await ownContainer()
  if (id === null) return null
  try {
    return (await lookAtContainer(engine, id, signal)).imageId
  } catch (error) {
    if (error instanceof EngineRefused) return null
    throw error
  }
}

async function probe(
  place: Place,
  image: string,
  signal: AbortSignal,
): Promise<Toolbox | { readonly why: string }> {
  try {
    const told = await ask(place, image, ['tar', '--version'], signal)
    const [, gnu] = /^tar \(GNU tar\) (\S+)/m.exec(told) ?? []
    if (gnu !== undefined) return { image, tar: 'gnu', version: `GNU ${gnu}` }
    if (!/busybox/i.test(told)) return { why: `tar of ${image} is neither GNU's nor busybox's` }
    // It is built with more or less in it.
    if (!/-X FILE/.test(await ask(place, image, ['tar', '--help'], signal))) {
      return { why: `tar of ${image} cannot leave anything out` }
    }
    return { image, tar: 'busybox', version: /BusyBox v\S+/.exec(told)?.[0] ?? 'BusyBox' }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof EngineRefused) return { why: messageOf(error) }
    throw error
  }
}

/** All that a program says. */
async function ask(
  place: Place,
  image: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const plan = { image, bindings: [], argv, owner: ownerOf(place), capabilities: [] }
  const far = await startHelper(place.engine, plan, { timeLimit: PROBE_LIMIT, signal })
  const stdout = (await buffer(far.stdout)).toString()
  return [stdout, ...(await far.exit).stderr].join('\n')
}
