import { ask, type Engine } from './engine.ts'
import { isMissing } from './trouble.ts'

/** A named volume. */
export interface Volume {
  readonly name: string
  readonly driver: string
  /** Where the engine's machine has it; nothing that every driver can tell. */
  readonly path: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

/** Every volume. An engine that has none gives an empty list. */
export async function listVolumes(engine: Engine, signal: AbortSignal): Promise<readonly Volume[]> {
  const told = await ask(engine, { what: 'list volumes', signal }, (client, abortSignal) =>
    client.listVolumes({ abortSignal }),
  )
  return (told.Volumes ?? []).map(volumeOf)
}

/** The volume of a name, or null. */
export async function findVolume(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<Volume | null> {
  try {
    const question = { what: `look at volume ${name}`, signal }
    return volumeOf(
      await ask(engine, question, (client, abortSignal) =>
        client.getVolume(name).inspect({ abortSignal }),
      ),
    )
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** A volume to make. */
export interface NewVolume {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** `local` unless told. */
  readonly driver?: string
  readonly options?: Readonly<Record<string, string>>
}

/** Makes a volume; one of that name that is there already stays as it is. */
export async function createVolume(
  engine: Engine,
  { name, labels, driver = 'local', options = {} }: NewVolume,
  signal: AbortSignal,
): Promise<void> {
  await ask(engine, { what: `make volume ${name}`, signal }, (client, abortSignal) =>
    client.createVolume({
      Name: name,
      Labels: { ...labels },
      Driver: driver,
      DriverOpts: { ...options },
      abortSignal,
    }),
  )
}

/** Removes a volume; one that is gone is as good. Throws `EngineRefused`, 409 while it is used. */
export async function removeVolume(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await ask(engine, { what: `remove volume ${name}`, signal }, (client, abortSignal) =>
      client.getVolume(name).remove({ abortSignal }),
    )
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function volumeOf(told: {
  readonly Name: string
  readonly Driver: string
  readonly Mountpoint: string
  readonly Labels: Readonly<Record<string, string>> | null
  readonly Options: Readonly<Record<string, string>> | null
}): Volume {
  return {
    name: told.Name,
    driver: told.Driver,
    path: told.Mountpoint,
    labels: told.Labels ?? {},
    options: told.Options ?? {},
  }
}
