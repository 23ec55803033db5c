import type Dockerode from 'dockerode'
import { ask, type Engine } from './engine.ts'

/** Something to put into a container of ours. */
export interface Binding {
  /** Name of a volume, or an absolute path of the engine's machine. */
  readonly from: string
  readonly target: string
  readonly readOnly: boolean
}

/** A container of ours, for a while. */
export interface HelperPlan {
  /** Name or id of an image that the engine has: none is ever fetched. */
  readonly image: string
  readonly bindings: readonly Binding[]
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Root unless told. */
  readonly user?: string
  /** `none` unless told; `container:NAME` shares another one's. */
  readonly network?: string
  /** Who it belongs to: left behind by a death, it is found again by this. */
  readonly owner: string
}

/** The label that tells whose helper a container is. */
export const HELPER_LABEL = 'holdfast.helper'

/** Makes a container without starting it; resolves to its id. */
export async function createHelper(
  engine: Engine,
  plan: HelperPlan,
  { hasStdin, signal }: { readonly hasStdin: boolean; readonly signal: AbortSignal },
): Promise<string> {
  const question = { what: `make a container of ${plan.image}`, signal }
  return await ask(engine, question, async (client, abortSignal) => {
    // The engine is not told of an abort: what it made unheard would stay behind.
    const made = await client.createContainer({
      Image: plan.image,
      Entrypoint: [...plan.argv],
      Cmd: [],
      Env: Object.entries(plan.env ?? {}).map(([key, value]) => `${key}=${value}`),
      User: plan.user ?? '0',
      Labels: { [HELPER_LABEL]: plan.owner },
      AttachStdin: hasStdin,
      OpenStdin: hasStdin,
      StdinOnce: hasStdin,
      AttachStdout: true,
      AttachStderr: true,
      // The image's own would be asked of a program that they know nothing of.
      Healthcheck: { Test: ['NONE'] },
      HostConfig: {
        Mounts: plan.bindings.map(mountOf),
        NetworkMode: plan.network ?? 'none',
        // What it says goes to us alone, not into a file that grows with the backup.
        LogConfig: { Type: 'none', Config: {} },
        RestartPolicy: { Name: '' },
      },
    })
    if (abortSignal.aborted) await removeContainer(engine, made.id)
    return made.id
  })
}

/** In this form a name may hold anything, and a path that is not there is refused, not made. */
function mountOf({ from, target, readOnly }: Binding): Dockerode.MountSettings {
  const settings = { Source: from, Target: target, ReadOnly: readOnly }
  return from.startsWith('/')
    ? { ...settings, Type: 'bind' }
    : // What the image has there is no part of the volume.
      { ...settings, Type: 'volume', VolumeOptions: COPY_NOTHING }
}

const COPY_NOTHING = {
  NoCopy: true,
  Labels: {},
  DriverConfig: { Name: '', Options: {} },
} as const

/** Removes a container, running or not, with what it made of its own; one that is gone is as good. */
export async function removeContainer(engine: Engine, container: string): Promise<void> {
  // Asked when all else has ended, so by no one's signal.
  const { signal } = new AbortController()
  await ask(engine, { what: `remove container ${container}`, signal }, async (client) => {
    try {
      await client.getContainer(container).remove({ force: true, v: true })
    } catch (error) {
      const status = error instanceof Error && 'statusCode' in error ? error.statusCode : null
      // Somebody else has removed it, or is about it.
      if (status !== 404 && status !== 409) throw error
    }
  })
}
