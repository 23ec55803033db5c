import { setTimeout as sleep } from 'node:timers/promises'
import { lookAtEngine } from '../../docker/engine.ts'
import { hasTasks, listServices, type Service, scaleService } from '../../docker/services.ts'
import type { Place } from './place.ts'

/** How long tasks of a service may take beyond their own grace to be gone, in milliseconds. */
const TASK_MARGIN = 60_000
/** Between two looks. */
const LOOK_AGAIN = 200

/**
 * Services of Swarm with a task on this engine that has the volume. One that is being started counts:
 * it has no container yet, and will run in a moment.
 */
export async function servicesOf(
  { engine, volume }: Place,
  signal: AbortSignal,
): Promise<readonly Service[]> {
  const { hasServices, node } = await lookAtEngine(engine, signal)
  if (!hasServices) return []
  const found: Service[] = []
  for (const service of await listServices(engine, signal)) {
    if (!service.volumes.includes(volume.name)) continue
    if (await hasTasks(engine, { service: service.name, node }, signal)) found.push(service)
  }
  return found
}

/** Scales a service to nothing; resolves once none of its tasks here is left. */
export async function scaleDown(place: Place, service: string, signal: AbortSignal): Promise<void> {
  await scaleService(place.engine, { service, replicas: 0 }, signal)
  await untilGone(place, service, signal)
}

/** Resolves once no task of a service is left here. Throws when that takes too long. */
export async function untilGone(
  { engine, settings }: Place,
  service: string,
  signal: AbortSignal,
): Promise<void> {
  const { node } = await lookAtEngine(engine, signal)
  const limit = performance.now() + settings.stopTimeout + TASK_MARGIN
  while (await hasTasks(engine, { service, node }, signal)) {
    if (performance.now() > limit) throw new Error(`tasks of service ${service} do not end`)
    await sleep(LOOK_AGAIN, undefined, { signal })
  }
}
