import { type ContainerSeen, type DockerSeen, wordsOf } from '../core/surroundings.ts'
import { forEachConcurrent } from '../lib/concurrent.ts'
import { type Container, listContainers, lookAtContainer } from './containers.ts'
import { ask, type Engine } from './engine.ts'
import { HELPER_LABEL } from './helper-container.ts'
import { isMissing } from './trouble.ts'
import { listVolumes } from './volumes.ts'

/** On volumes of ours that are there for a moment, and hold nothing. */
export const PROOF_LABEL = 'holdfast.proof'

/** Containers that are looked at at once. */
const AT_ONCE = 8

/** All that discovery goes by; nothing of it is ours. Throws as `ask` does. */
export async function seeDocker(engine: Engine, signal: AbortSignal): Promise<DockerSeen> {
  const question = { what: 'look at the engine', signal }
  const info = await ask(engine, question, (client) => client.info())
  const volumes = await listVolumes(engine, signal)
  const listed = await listContainers(engine, signal)
  const containers: ContainerSeen[] = []
  const others = listed.filter(({ labels }) => !(HELPER_LABEL in labels))
  await forEachConcurrent(others, AT_ONCE, async (one) => {
    const seen = await see(engine, one, signal)
    if (seen) containers.push(seen)
  })
  return {
    engine: String(info.ID ?? ''),
    host: engine.label,
    version: String(info.ServerVersion ?? ''),
    volumes: volumes
      .filter(({ labels }) => !(PROOF_LABEL in labels))
      .map(({ name, driver, labels, path }) => ({ name, driver, labels, mountpoint: path })),
    containers,
  }
}

/** Null for one that was removed since it was listed. */
async function see(
  engine: Engine,
  { id, name, image, labels, state, mounts }: Container,
  signal: AbortSignal,
): Promise<ContainerSeen | null> {
  try {
    const { env, service } = await lookAtContainer(engine, id, signal)
    return {
      ...{ id, name, image, labels, state },
      isService: service !== null,
      mounts: mounts.map(({ kind, volume, source, target, readOnly }) => ({
        ...{ kind, volume, source },
        destination: target,
        isWritable: !readOnly,
      })),
      words: wordsOf(env),
    }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}
