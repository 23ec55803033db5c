import type { Duplex } from 'node:stream'
import { type Attached, attach, type Standing } from './attached.ts'
import { ask, type Engine } from './engine.ts'
import type { ExecOptions } from './exec.ts'
import { createHelper, HELPER_LABEL, type HelperPlan, removeContainer } from './helper-container.ts'

/** An engine that does not answer sooner cannot be told to kill anything. */
const LOOK_LIMIT = 10_000

/**
 * Runs a program in a container of its own, which is removed when it ends, however it does. Throws
 * when the engine refuses; nothing is left behind then either.
 */
export async function startHelper(
  engine: Engine,
  plan: HelperPlan,
  options: ExecOptions,
): Promise<Attached> {
  const { signal } = options
  const hasStdin = options.stdin === 'pipe'
  const id = await createHelper(engine, plan, { hasStdin, signal })
  const name = `${plan.argv[0]} in a container of ${plan.image}`
  try {
    const connection = await join(engine, { id, name, hasStdin, signal })
    const standing = () => look(engine, id, name)
    const kill = () => killHelper(engine, id)
    const attached = attach({ name, connection, hasStdin, standing, kill }, options)
    return { ...attached, exit: thenRemoved(engine, id, attached) }
  } catch (error) {
    await removeContainer(engine, id).catch(() => {})
    throw error
  }
}

interface Joining {
  readonly id: string
  readonly name: string
  readonly hasStdin: boolean
  readonly signal: AbortSignal
}

/** Our end of its streams, taken before it starts: it says nothing unheard. */
async function join(engine: Engine, { id, name, hasStdin, signal }: Joining): Promise<Duplex> {
  return await ask(engine, { what: `run ${name}`, signal }, async (client, abortSignal) => {
    const container = client.getContainer(id)
    const streams = { stream: true, hijack: true, stdin: hasStdin, stdout: true, stderr: true }
    const connection = (await container.attach({ ...streams, abortSignal })) as unknown as Duplex
    try {
      await container.start({ abortSignal })
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    }
  })
}

async function thenRemoved(engine: Engine, id: string, attached: Attached) {
  const removed = async () => {
    try {
      return await attached.exit
    } finally {
      // With the engine away it stays, and is found by its label.
      await removeContainer(engine, id).catch(() => {})
    }
  }
  const exit = removed()
  exit.catch(() => {})
  return await exit
}

async function look(engine: Engine, id: string, name: string): Promise<Standing> {
  const { signal } = new AbortController()
  const question = { what: `see how ${name} ended`, timeLimit: LOOK_LIMIT, signal }
  const { State: state } = await ask(engine, question, (client, abortSignal) =>
    client.getContainer(id).inspect({ abortSignal }),
  )
  return { isRunning: state.Running, code: state.Running ? null : state.ExitCode }
}

async function killHelper(engine: Engine, id: string): Promise<void> {
  const { signal } = new AbortController()
  const question = { what: 'kill a container of ours', timeLimit: LOOK_LIMIT, signal }
  await ask(engine, question, (client) => client.getContainer(id).kill())
}

/**
 * Makes a container that is never started, for its volumes' archives, and removes it after `work`,
 * however that ends. `work` gets a narrower signal, which ends what it has left open: until then the
 * engine would not let go of the container. For the same cause it reads or writes one at a time.
 */
export async function withShelf<T>(
  engine: Engine,
  plan: HelperPlan,
  signal: AbortSignal,
  work: (container: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const id = await createHelper(engine, plan, { hasStdin: false, signal })
  const over = new AbortController()
  try {
    return await work(id, AbortSignal.any([signal, over.signal]))
  } finally {
    over.abort()
    await removeContainer(engine, id).catch(() => {})
  }
}

/** Removes the helpers of an owner that a death has left behind; resolves to how many there were. */
export async function removeHelpers(
  engine: Engine,
  owner: string,
  signal: AbortSignal,
): Promise<number> {
  const filters = { label: [`${HELPER_LABEL}=${owner}`] }
  const found = await ask(engine, { what: 'list containers', signal }, (client, abortSignal) =>
    client.listContainers({ all: true, filters, abortSignal }),
  )
  for (const { Id } of found) await removeContainer(engine, Id)
  return found.length
}
