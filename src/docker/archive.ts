import type { Readable } from 'node:stream'
import { ask, type Engine } from './engine.ts'
import { PATIENCE, type Patience, silence } from './silence.ts'

/** A stream that a caller reads or writes in its own time, so without a limit of ours. */
const FIRST_ANSWER = 60_000
const GREETING_LIMIT = 10_000

/**
 * What a container has at `path`, as a tar. `PATH/.` is a folder's contents. The engine's own tar has
 * whole seconds, no xattrs, no sockets and no holes. The stream fails when the engine goes away or
 * falls silent; destroying it ends the reading there.
 */
export async function readArchive(
  engine: Engine,
  { container, path }: { readonly container: string; readonly path: string },
  signal: AbortSignal,
  patience: Patience = PATIENCE,
): Promise<Readable> {
  const question = { what: `read ${path} of ${container}`, timeLimit: FIRST_ANSWER, signal }
  const body = await ask(engine, question, async (client, abortSignal) => {
    const options = { path, abortSignal }
    const stream = (await client.getContainer(container).getArchive(options)) as Readable
    // Whoever reads hears of it; a stream that nobody reads any more must not end us.
    stream.on('error', () => {})
    return stream
  })
  const stop = () => body.destroy(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  const over = new AbortController()
  body.once('close', () => {
    signal.removeEventListener('abort', stop)
    over.abort()
  })
  if (signal.aborted) stop()
  const look = () => greet(engine, over.signal)
  silence({ name: `the archive of ${container}`, look }, over.signal, patience).catch(
    (error: Error) => body.destroy(error),
  )
  return body
}

/** Asks for what no container that is busy holds up. */
async function greet(engine: Engine, signal: AbortSignal): Promise<void> {
  const question = { what: 'greet the engine', timeLimit: GREETING_LIMIT, signal }
  await ask(engine, question, (client, abortSignal) =>
    client.listContainers({ limit: 1, abortSignal }),
  )
}
