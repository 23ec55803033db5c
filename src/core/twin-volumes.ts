import { fitName } from './app-names.ts'
import type { FoundApp, FoundVolume } from './apps.ts'

/**
 * Volumes of an app whose name means another one, and that are not the idle slot of it: nothing takes
 * them by the app's name, so each stands by its own.
 */
export function twinsOf({ volumes }: FoundApp): readonly FoundVolume[] {
  return volumes.flatMap((volume) =>
    volume.others
      .filter((other) => !isIdleSlot(other, volume.dockerName))
      .map((other) => ({
        ...volume,
        name: fitName(other),
        dockerName: other,
        others: [],
        doubt: null,
        destination: null,
        users: [],
        twinOf: volume.dockerName,
        sharedWith: [],
        strategy: { kind: 'tar' },
        persistent: { is: 'unsaid', why: `${volume.name} of the app means ${volume.dockerName}` },
      })),
  )
}

/** The slot that Vardo does not run at the moment: it is emptied or filled by the next deployment. */
function isIdleSlot(other: string, taken: string): boolean {
  const stem = (name: string) => /^(.+)-(?:blue|green)_(.+)$/.exec(name)?.slice(1).join(' ') ?? name
  return stem(other) === stem(taken)
}
