import { serviceOf } from './app-names.ts'
import { appsIn, type FoundApp } from './apps.ts'
import type { DiscoverySettings } from './docker-settings.ts'
import { isNoData } from './mount-places.ts'
import { sortedBy } from './order.ts'
import { isTrue } from './persistence.ts'
import type { ContainerSeen, DockerSeen, MountSeen } from './surroundings.ts'
import { yaml } from './unprotected-lines.ts'

/** Another backup tool beside us, and what it does, as lines of our config. */
export interface OtherTool {
  /** `docker-volume-backup`, `resticker`, `restic-compose-backup`, `stack-back`. */
  readonly tool: string
  /** The container that runs it, or that it has labelled. */
  readonly container: string
  /** What of its settings was read: names of labels and variables, never a secret. */
  readonly read: readonly string[]
  readonly lines: readonly string[]
}

const RUNNERS: readonly (readonly [string, RegExp])[] = [
  ['docker-volume-backup', /(^|\/)docker-volume-backup$/],
  ['resticker', /(^|\/)(resticker|mazzolino\/restic)$/],
]
const STOP = ['stop-during-backup', 'stop-during-backup-no-restart', 'stop-container']
const COMPOSE = ['restic-compose-backup', 'stack-back'] as const

/** What other tools are told to do on this engine, by container. */
export function otherTools(docker: DockerSeen, settings: DiscoverySettings): readonly OtherTool[] {
  const containers = sortedBy(docker.containers, ({ name }) => name)
  const apps = appsIn(docker, settings)
  const runners = containers.flatMap((one) => {
    const repository = one.image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
    const tool = RUNNERS.find(([, pattern]) => pattern.test(repository))?.[0]
    return tool === undefined ? [] : [runnerOf(tool, one, containers)]
  })
  const labelled = containers.flatMap((one) =>
    COMPOSE.flatMap((tool) => labelledBy(tool, one, apps)),
  )
  return sortedBy([...runners, ...labelled], ({ container, tool }) => `${container} ${tool}`)
}

/** A container that reads what is mounted into it: its mounts are the sources of a job. */
function runnerOf(
  tool: string,
  runner: ContainerSeen,
  containers: readonly ContainerSeen[],
): OtherTool {
  const { words } = runner
  const own = words.BACKUP_STOP_DURING_BACKUP_LABEL ?? words.BACKUP_STOP_CONTAINER_LABEL ?? 'true'
  const mounts = runner.mounts.filter((mount) => isRead(tool, mount, words.RESTIC_BACKUP_SOURCES))
  const schedule = words.BACKUP_CRON_EXPRESSION ?? words.BACKUP_CRON
  const sources = sortedBy(mounts, ({ destination }) => destination).map((mount) => {
    const users = containers.filter(
      (one) => one.id !== runner.id && one.mounts.some((other) => isSame(mount, other)),
    )
    const stops = users.some(({ labels }) => stopLabel(labels, own) !== null)
    return sourceLine(mount, stops)
  })
  const labels = containers.flatMap((one) => {
    const stop = stopLabel(one.labels, own)
    return stop === null ? [] : [`label ${stop} of ${one.name}`]
  })
  return {
    tool,
    container: runner.name,
    read: [...namesOf(words), ...labels, ...hooksOf(containers)],
    lines: [
      'jobs:',
      `  ${yaml(serviceOf(runner))}:`,
      `    schedule: ${JSON.stringify(schedule ?? '@daily')}`,
      ...(words.TZ === undefined ? [] : [`    timezone: ${yaml(words.TZ)}`]),
      ...retentionLine(words),
      ...(sources.length === 0 ? [] : ['    sources:', ...sources]),
    ],
  }
}

function isRead(tool: string, mount: MountSeen, sources: string | undefined): boolean {
  const folders = tool === 'resticker' ? (sources?.split(/\s+/) ?? ['/data']) : ['/backup']
  const isOurs = mount.kind === 'volume' || (mount.kind === 'bind' && !isNoData(mount.source))
  return (
    isOurs &&
    folders.some((folder) => `${mount.destination}/`.startsWith(`${folder.replace(/\/+$/, '')}/`))
  )
}

function isSame(one: MountSeen, other: MountSeen): boolean {
  return one.volume === null ? one.source === other.source : one.volume === other.volume
}

function sourceLine({ volume, source }: MountSeen, stops: boolean): string {
  if (volume === null) return `      - { type: directory, path: ${yaml(source)} }`
  return `      - { type: volume, volume: ${yaml(volume)}${stops ? ', stop: true' : ''} }`
}

function stopLabel(labels: ContainerSeen['labels'], value: string): string | null {
  const found = STOP.map((name) => `docker-volume-backup.${name}`).find(
    (name) => labels[name] === value,
  )
  return found ?? null
}

/** Commands that it runs in containers: named, and not shown, for they hold passwords often enough. */
function hooksOf(containers: readonly ContainerSeen[]): readonly string[] {
  const isHook = /^docker-volume-backup\.(archive|process|copy|prune|exec)-(pre|post)$/
  return containers.flatMap(({ name, labels }) =>
    Object.keys(labels)
      .filter((label) => isHook.test(label))
      .toSorted()
      .map((label) => `label ${label} of ${name}, a command that has to be carried over by hand`),
  )
}

function namesOf(words: ContainerSeen['words']): readonly string[] {
  return Object.keys(words)
    .filter((name) => /^(BACKUP|RESTIC|CRON)_/.test(name))
    .toSorted()
}

function retentionLine(words: ContainerSeen['words']): readonly string[] {
  const days = words.BACKUP_RETENTION_DAYS
  const rules = days !== undefined && /^[1-9]\d*$/.test(days) ? [`keep_within: ${days}d`] : []
  for (const unit of ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly']) {
    const [, asked] =
      new RegExp(`--keep-${unit}[ =](\\d+)`).exec(words.RESTIC_FORGET_ARGS ?? '') ?? []
    if (asked !== undefined) rules.push(`keep_${unit}: ${asked}`)
  }
  return rules.length === 0 ? [] : [`    retention: { ${rules.join(', ')} }`]
}

/** A container whose volumes or database another container is told to back up. */
function labelledBy(
  tool: (typeof COMPOSE)[number],
  container: ContainerSeen,
  apps: readonly FoundApp[],
): readonly OtherTool[] {
  const told = Object.keys(container.labels)
    .filter((label) => label.startsWith(`${tool}.`))
    .toSorted()
  const app = apps.find(({ containers }) => containers.includes(container.name))
  const wants = (word: string) => isTrue(container.labels[`${tool}.${word}`]) === true
  const databases = ['postgres', 'mysql', 'mariadb'].filter(wants)
  if (app === undefined || (!wants('volumes') && databases.length === 0)) return []
  const volumes = app.volumes.filter(
    ({ kind, users, strategy }) =>
      kind === 'volume' &&
      users.includes(container.name) &&
      (wants('volumes') || (strategy.kind === 'dump' && databases.includes(strategy.database))),
  )
  if (volumes.length === 0) return []
  const names = volumes.map(({ name }) => `      ${yaml(name)}: true`)
  return [
    {
      tool,
      container: container.name,
      read: told.map((label) => `label ${label}`),
      lines: ['apps:', `  ${yaml(app.name)}:`, '    volumes:', ...names],
    },
  ]
}
