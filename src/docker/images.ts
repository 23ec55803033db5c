import { ask, type Engine } from './engine.ts'

/** An image that the engine has. */
export interface Image {
  readonly id: string
  /** As `postgres:15`; none for one that has lost its name. */
  readonly tags: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Bytes. */
  readonly size: number
}

/** Every image, without those that are only layers of others. */
export async function listImages(engine: Engine, signal: AbortSignal): Promise<readonly Image[]> {
  const listed = await ask(engine, { what: 'list images', signal }, (client, abortSignal) =>
    client.listImages({ abortSignal }),
  )
  return listed.map((one) => ({
    id: one.Id,
    tags: (one.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
    labels: one.Labels ?? {},
    size: one.Size,
  }))
}
