import type Dockerode from 'dockerode'
import { type EngineAddress, formatEngineAddress } from '../core/engine-address.ts'
import { Failure, Refused, TimeLimit } from '../lib/errors.ts'
import { startTimer, unlessAborted } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'
import { loadLibrary } from './library.ts'
import { trouble } from './trouble.ts'

/** How long an engine may take to answer what needs no work, in milliseconds. */
const ANSWER_LIMIT = 30_000

/** A Docker engine that may be asked. It holds no connection between questions. */
export interface Engine {
  /** Its address, as people know it. */
  readonly label: string
  readonly client: Dockerode
}

/**
 * The engine of an address; nothing is asked yet. The library comes only now: nobody needs its memory
 * who has no containers. Throws `Refused` when the environment spoils it.
 */
export async function openEngine(address: EngineAddress): Promise<Engine> {
  const Client = await loadLibrary()
  const label = formatEngineAddress(address)
  // Whatever is left out here it would take from DOCKER_HOST and its like: `undefined` is our word.
  const nothing = { ca: undefined, cert: undefined, key: undefined, timeout: undefined }
  const where =
    address.kind === 'unix'
      ? { socketPath: address.path, host: undefined, port: undefined }
      : { socketPath: undefined, host: address.host, port: address.port }
  const options = { ...nothing, ...where, protocol: 'http', pathPrefix: '/' }
  try {
    return { label, client: new Client(options as Dockerode.DockerOptions) }
  } catch (cause) {
    const hint = 'unset DOCKER_HOST and DOCKER_CERT_PATH, or make them right'
    throw new Refused('the variables of Docker in the environment are wrong', { cause, hint })
  }
}

/** What an engine is asked, in words: `cannot ${what}` is how its failure begins. */
export interface Question {
  readonly what: string
  /** Milliseconds; half a minute unless told. */
  readonly timeLimit?: number
  readonly signal: AbortSignal
}

/**
 * One question and its answer. Throws `EngineUnreachable` when there is no answer, `EngineRefused`
 * when it is a refusal, `TimeLimit`, or the signal's reason.
 */
export async function ask<T>(
  engine: Engine,
  question: Question,
  work: (client: Dockerode, abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  question.signal.throwIfAborted()
  const over = new AbortController()
  const { what, timeLimit = ANSWER_LIMIT } = question
  const timer = startTimer(timeLimit, () => {
    const after = formatDuration(timeLimit)
    over.abort(new TimeLimit(`cannot ${what}: ${engine.label} did not answer within ${after}`))
  })
  const signal = AbortSignal.any([question.signal, over.signal])
  try {
    return await unlessAborted(work(engine.client, signal), signal)
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof Failure ? error : trouble(engine.label, what, error)
  } finally {
    timer.cancel()
  }
}

/** What an engine tells of itself. */
export interface EngineFacts {
  /** The same for all who reach it; empty where it tells none. */
  readonly id: string
  readonly version: string
  readonly storageDriver: string
  /** Its data folder, as it sees it. */
  readonly root: string
  /** Whether it is a manager of a Swarm, so that services can be asked for. */
  readonly hasServices: boolean
  /** Its own name in the Swarm; empty where it is in none. */
  readonly node: string
  readonly system: string
}

/** Asks for the facts; whoever wants to know whether the engine is there asks this. */
export async function lookAtEngine(engine: Engine, signal: AbortSignal): Promise<EngineFacts> {
  const info = await ask(engine, { what: 'look at the engine', signal }, (client) => client.info())
  return {
    id: String(info.ID ?? ''),
    version: String(info.ServerVersion ?? ''),
    storageDriver: String(info.Driver ?? ''),
    root: String(info.DockerRootDir ?? ''),
    hasServices: info.Swarm?.ControlAvailable === true,
    node: String(info.Swarm?.NodeID ?? ''),
    system: String(info.OperatingSystem ?? ''),
  }
}
