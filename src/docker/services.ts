import { ask, type Engine } from './engine.ts'

/** A service of a Swarm. */
export interface Service {
  readonly id: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Of the containers that its tasks are. */
  readonly taskLabels: Readonly<Record<string, string>>
  /** Names of the volumes that they have. */
  readonly volumes: readonly string[]
  /** Tasks that it is to have; null for one on every machine, which cannot be scaled. */
  readonly replicas: number | null
}

/** Every service. Only for an engine that `hasServices`: any other one refuses. */
export async function listServices(
  engine: Engine,
  signal: AbortSignal,
): Promise<readonly Service[]> {
  const listed = await ask(engine, { what: 'list services', signal }, (client, abortSignal) =>
    client.listServices({ abortSignal }),
  )
  return listed.map(({ ID, Spec }) => ({
    id: ID,
    name: Spec?.Name ?? ID,
    labels: Spec?.Labels ?? {},
    ...taskOf(Spec?.TaskTemplate),
    replicas: replicasOf(Spec?.Mode),
  }))
}

function taskOf(template: object | undefined): Pick<Service, 'taskLabels' | 'volumes'> {
  const { ContainerSpec: container = {} } = (template ?? {}) as {
    readonly ContainerSpec?: {
      readonly Labels?: Readonly<Record<string, string>> | null
      readonly Mounts?: readonly { readonly Type?: string; readonly Source?: string }[] | null
    }
  }
  const volumes = (container.Mounts ?? []).flatMap(({ Type, Source }) =>
    Type === 'volume' && Source ? [Source] : [],
  )
  return { taskLabels: container.Labels ?? {}, volumes }
}

/** Where tasks have come to their end. */
const OVER = new Set(['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned'])

/** Whether a task of a service runs on that node, or is about to. */
export async function hasTasks(
  engine: Engine,
  { service, node }: { readonly service: string; readonly node: string },
  signal: AbortSignal,
): Promise<boolean> {
  const question = { what: `list tasks of ${service}`, signal }
  const tasks = await ask(engine, question, (client, abortSignal) =>
    client.listTasks({ filters: { service: [service] }, abortSignal }),
  )
  return tasks.some(({ NodeID, Status }: Task) => {
    const isHere = !NodeID || NodeID === node
    return isHere && !OVER.has(Status?.State ?? '')
  })
}

interface Task {
  /** Empty until it is known where it runs. */
  readonly NodeID?: string
  readonly Status?: { readonly State?: string }
}

function replicasOf(mode: object | undefined): number | null {
  if (!mode || !('Replicated' in mode)) return null
  const { Replicated } = mode as { readonly Replicated?: { readonly Replicas?: number } }
  return Replicated?.Replicas ?? null
}

/** Gives a service another number of tasks; the engine starts and stops them later. */
export async function scaleService(
  engine: Engine,
  { service, replicas }: { readonly service: string; readonly replicas: number },
  signal: AbortSignal,
): Promise<void> {
  const question = { what: `scale ${service} to ${replicas}`, signal }
  await ask(engine, question, async (client, abortSignal) => {
    const one = client.getService(service)
    const { Spec, Version } = await one.inspect({ abortSignal })
    const changed = { ...Spec, Mode: { Replicated: { Replicas: replicas } } }
    // Refused when somebody else has changed it since we looked.
    await one.update({ ...changed, version: Number(Version?.Index), abortSignal })
  })
}
