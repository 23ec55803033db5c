import { hostname } from 'node:os'
import type { Inside } from '../daemon/face.ts'
import { iso } from '../lib/time.ts'
import { type Answer, json } from './answer.ts'
import type { Routed } from './routes.ts'

/** 200 while the loop turns. Asks nothing and nobody. */
export function healthz({ inside }: Routed): Answer {
  return inside.vitals.isTurning() ? json(200, { status: 'ok' }) : json(503, { status: 'stuck' })
}

/** 200 when it takes slots. To who may see, with what it depends on, of which only some decides. */
export async function readyz({ inside, sees }: Routed): Promise<Answer> {
  const state = await inside.vitals.feel(inside.world().store)
  const because = whyNot(inside, state.isReached)
  const status = because.length === 0 ? 'ready' : 'not-ready'
  const details = sees ? { because, ...detailsOf(inside, state) } : {}
  return json(because.length === 0 ? 200 : 503, { status, ...details })
}

/** What keeps it from taking slots, in stable words. */
function whyNot({ vitals, isDraining }: Inside, isReached: boolean): readonly string[] {
  return [
    ...(vitals.phase() === 'starting' ? ['starting'] : []),
    ...(vitals.phase() === 'draining' || isDraining() ? ['draining'] : []),
    ...(isReached ? [] : ['state-away']),
  ]
}

type StateSeen = Awaited<ReturnType<Inside['vitals']['feel']>>

function detailsOf(inside: Inside, { isReached, roundTrip }: StateSeen) {
  const { vitals } = inside
  const { desired, instance, version } = inside.world()
  const { config, redis } = vitals.tally
  return {
    instance: { id: instance, name: instanceName(inside), version },
    state: { kind: desired.state.kind, reached: isReached, roundTripMs: roundTrip },
    redis: desired.redis === null ? null : { reached: redis?.isThere ?? true },
    targets: targetsOf(inside),
    config: {
      sha256: desired.origin.sha256,
      commit: desired.origin.commit,
      takenAt: config.takenAt && iso(config.takenAt),
      rejected: config.rejected,
    },
    draining: inside.isDraining() || vitals.phase() === 'draining',
    isolated: !isReached,
    restore: { done: vitals.phase() !== 'starting', variable: inside.restoreVariable },
  }
}

/** Each declared target as the last inventory of this instance saw it; null where it has not looked. */
function targetsOf({ world, vitals }: Inside) {
  const inventory = vitals.inventory()
  return world().desired.targets.map(({ id }) => {
    const seen = inventory?.targets.get(id)
    return {
      id,
      reached: seen ? seen.error === null : null,
      error: seen?.error ?? null,
      seenAt: seen && inventory ? iso(inventory.at) : null,
    }
  })
}

/** As declared, else the host's. */
export function instanceName({ world }: Inside): string {
  return world().desired.identity.name ?? hostname()
}
