import { type FoundApp, type FoundVolume, settingsOf } from './apps.ts'
import type { Ignore } from './docker-settings.ts'
import type { Desired, DesiredSource, GroupId } from './model.ts'
import { byText } from './order.ts'

/** Whose volumes, and what their archives are filed under. */
export interface AppFiling {
  readonly organization: string | null
  readonly app: string
  /** Stands for the app in keys and groups. */
  readonly name: string
}

/** The source that takes one volume of an app, as the file wants it treated. */
export function appSource(
  volume: string,
  { organization, app, name }: AppFiling,
  desired: Pick<Desired, 'apps' | 'docker'>,
): DesiredSource {
  const settings = settingsOf(desired, app, volume)
  return {
    kind: 'volume',
    name: volume,
    group: `${organization ?? 'system'}/${name}/${volume}` as GroupId,
    options: {
      app,
      volume,
      docker: desired.docker?.host ?? null,
      strategy: settings?.strategy ?? 'auto',
      exclude: settings?.exclude ?? [],
      stop: settings?.stop ?? false,
      pause: settings?.pause ?? false,
    },
  }
}

/**
 * Names of the volumes of an app that are taken: those that were before, seen or not, and those that
 * count as persistent by now, but none that is marked otherwise or left alone. Sorted. `ignores` are
 * those in force.
 */
export function keptVolumes(
  before: readonly string[],
  { app, found }: { readonly app: string; readonly found: FoundApp | null },
  ignores: readonly Ignore[],
): readonly string[] {
  const volumes = found?.volumes.filter(({ kind }) => kind === 'volume') ?? []
  const refused = volumes.filter(({ persistent }) => persistent.is === 'no').map(({ name }) => name)
  const own = volumes.filter(({ persistent }) => persistent.is === 'yes').map(({ name }) => name)
  const isLeft = (name: string) => {
    // One that is not seen has no name but the app's own.
    const dockerName = volumes.find((one) => one.name === name)?.dockerName ?? name
    return refused.includes(name) || isIgnored({ name, dockerName }, app, ignores)
  }
  return [...new Set([...before, ...own])].filter((name) => !isLeft(name)).toSorted(byText)
}

/** Whether the file leaves a volume alone, by either of its names. */
export function isIgnored(
  { name, dockerName }: Pick<FoundVolume, 'name' | 'dockerName'>,
  app: string,
  ignores: readonly Ignore[],
): boolean {
  return ignores.some(
    (one) => one.kind === 'volume' && (one.name === dockerName || one.name === `${app}/${name}`),
  )
}
