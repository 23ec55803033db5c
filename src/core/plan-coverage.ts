import { isInForce } from './docker-settings.ts'
import type { Desired, Instant } from './model.ts'
import type { Observed, Warning } from './observed.ts'
import { appsOf } from './seen-apps.ts'

/** What of the apps that are seen, and of what the file leaves alone, deserves a look. */
export function discoveryWarnings(
  desired: Desired,
  { surroundings = [] }: Pick<Observed, 'surroundings'>,
  now: Instant,
): readonly Warning[] {
  return [
    ...expired(desired, now),
    ...blind(surroundings),
    ...doubts(desired, surroundings),
    ...aimless(desired, surroundings),
  ]
}

function expired({ ignore }: Desired, now: Instant): readonly Warning[] {
  return ignore
    .filter((one) => !isInForce(one, now))
    .map(({ kind, name, reason, day }) => ({
      rule: 'ignore-expired',
      subject: name,
      message: `that ${kind} was ignored until ${day} (${reason}), and counts again`,
      hint: 'protect it, or give the entry another day',
    }))
}

type Looks = NonNullable<Observed['surroundings']>

function blind(surroundings: Looks): readonly Warning[] {
  return surroundings.flatMap(({ instance, docker }) =>
    docker !== null && 'error' in docker
      ? [
          {
            rule: 'docker-unreachable',
            subject: instance,
            message: `its Docker engine could not be looked at, so what is unprotected there is not known: ${docker.error}`,
            hint: 'is the engine up, and may this process use its socket? docker: { host }',
          },
        ]
      : [],
  )
}

function doubts(desired: Desired, surroundings: Looks): readonly Warning[] {
  if (!isDiscovering(desired)) return []
  return appsOf(surroundings, desired).flatMap(({ found }) =>
    found.volumes.flatMap(({ name, doubt, dockerName, sharedWith }): readonly Warning[] => [
      ...(doubt === null
        ? []
        : [
            {
              rule: 'volume-in-doubt',
              subject: `${found.name}/${name}`,
              message: doubt,
              hint: 'name the right one: { type: volume, volume: NAME }',
            },
          ]),
      ...(sharedWith.length === 0
        ? []
        : [
            {
              rule: 'volume-shared',
              subject: dockerName,
              message: `${[found.name, ...sharedWith].join(' and ')} may write to it; it is backed up once, with ${found.name}`,
              hint: null,
            },
          ]),
    ]),
  )
}

/** Apps that would have jobs, and nowhere to go. */
function aimless(desired: Desired, surroundings: Looks): readonly Warning[] {
  const { auto } = desired
  if (auto === null || !isDiscovering(desired)) return []
  const template = auto.templates.find(({ organization }) => organization === null)
  if (template === undefined || template.targets.length > 0) return []
  const keeping = appsOf(surroundings, desired).filter(
    ({ found, organization }) =>
      organization === null && found.volumes.some(({ persistent }) => persistent.is === 'yes'),
  )
  if (keeping.length === 0) return []
  return [
    {
      rule: 'no-target',
      subject: 'auto',
      message: `${keeping.map(({ found }) => found.name).join(', ')} would have auto jobs, and there is no target`,
      hint: 'declare a target: docs/targets.md',
    },
  ]
}

function isDiscovering({ docker }: Desired): boolean {
  return docker !== null && docker.discover !== false
}
