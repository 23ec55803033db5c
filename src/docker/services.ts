import { ask, type Engine } from './engine.ts'

/** A service of a Swarm. */
export interface Service {
  readonly id: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
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
    replicas: replicasOf(Spec?.Mode),
  }))
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
