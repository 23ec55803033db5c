import type { DiscoverySettings } from './docker-settings.ts'
import type { ContainerSeen, Labels } from './surroundings.ts'

/** Whether what a volume holds is to be kept, and who says so. */
export interface Persistence {
  /** `unsaid`: nobody says. */
  readonly is: 'yes' | 'no' | 'unsaid'
  /** In words: `label holdfast.persistent of the volume`. */
  readonly why: string
}

export interface PersistenceOf {
  readonly app: string
  readonly volume: string
  /** Of the volume. */
  readonly labels: Labels
  readonly users: readonly ContainerSeen[]
}

const KEYS = ['holdfast.persistent', 'vardo.persistent'] as const

/** The file decides before labels, the volume's before those of containers, and ours before Vardo's. */
export function persistenceOf(
  { app, volume, labels, users }: PersistenceOf,
  { docker, apps }: DiscoverySettings,
): Persistence {
  const declared = apps.find(({ name }) => name === app)
  if (declared !== undefined) {
    const settings = declared.volumes?.get(volume)
    if (settings?.persistent === false) return { is: 'no', why: `the file says so at apps.${app}` }
    const isNamed = declared.volumes === null || settings !== undefined
    if (isNamed) return { is: 'yes', why: `the file names it at apps.${app}` }
  }
  for (const key of KEYS) {
    const own = isTrue(labels[key])
    if (own !== null) return { is: own ? 'yes' : 'no', why: `label ${key} of the volume` }
    const told = users.flatMap((one) => {
      const value = isTrue(one.labels[key])
      return value === null ? [] : [{ name: one.name, value }]
    })
    // One that wants it kept is enough.
    const first = told.find(({ value }) => value) ?? told[0]
    if (first) {
      const why = `label ${key} of container ${first.name}`
      return { is: first.value ? 'yes' : 'no', why }
    }
  }
  if (docker?.discover === 'all') return { is: 'yes', why: 'discover: all' }
  return { is: 'unsaid', why: 'no label and no line of the file says that it is persistent' }
}

/** A label as a switch; null when it is not there, or says neither. */
export function isTrue(label: string | undefined): boolean | null {
  if (label === undefined) return null
  if (/^(true|1|yes|on)$/i.test(label.trim())) return true
  return /^(false|0|no|off)$/i.test(label.trim()) ? false : null
}
