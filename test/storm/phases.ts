import type { KillOrder } from '../support/kill-at.ts'

/** What a process is told to do when it is to be struck. */
export type Verb =
  | 'backup'
  | 'restore'
  | 'boot'
  | 'recover'
  | 'release'
  | 'change'
  | 'adopt'
  | 'pin'

/** A moment that a crash may choose. */
export interface Phase<Does extends string = Verb> {
  readonly name: string
  readonly verb: Does
  readonly on: KillOrder['on']
  readonly match: string
  readonly when: 'before' | 'after'
  /** The n-th such call is struck, n being up to this. */
  readonly upTo: number
  readonly victim?: 'child'
}

const ARCHIVE_PART = String.raw`/(?:one|two)/.*\.(?:zst|age)\.[^.]+\.part$`
const FILES_PART = String.raw`/files/[^/]*\.(?:zst|age)\.[^.]+\.part$`
const MANIFEST_PART = String.raw`\.manifest\.json\.[^.]+\.part$`
const ARCHIVE = String.raw`/(?:one|two)/system/main/.*\.(?:zst|age)$`
const MANIFEST = String.raw`/(?:one|two)/system/main/.*\.manifest\.json$`
const SWAP_OPENED = String.raw`insert into "journal".*\\"kind\\":\\"swap\\"`
const DELETE_OPENED = String.raw`insert into "journal".*\\"kind\\":\\"delete\\"`
const NEW_IN_PLACE = String.raw`holdfast-staging.* -> .*/live/(?:files|app\.db)$`
const PREVIOUS = 'holdfast-previous'

const backup: readonly Phase[] = [
  on('backup', 'run row opened', 'commit', 'insert into "runs"', 'after', 1),
  on('backup', 'backup row opened', 'commit', 'insert into "backups"', 'after', 3),
  on('backup', 'copy row written', 'commit', 'insert into "copies".*"writing"', 'after', 3),
  on('backup', 'archive part opened', 'open', ARCHIVE_PART, 'after', 3),
  on('backup', 'archive part half written', 'write', FILES_PART, 'after', 1),
  on('backup', 'archive before its fsync', 'sync', ARCHIVE_PART, 'before', 3),
  on('backup', 'archive before its link', 'link', ARCHIVE, 'before', 3),
  on('backup', 'archive linked, part not yet gone', 'link', ARCHIVE, 'after', 3),
  on('backup', 'archive in place, no manifest', 'unlink', ARCHIVE_PART, 'after', 3),
  on('backup', 'manifest part opened', 'open', MANIFEST_PART, 'after', 3),
  on('backup', 'manifest part written', 'sync', MANIFEST_PART, 'after', 3),
  on('backup', 'manifest before its link', 'link', MANIFEST, 'before', 3),
  on('backup', 'manifest linked', 'link', MANIFEST, 'after', 3),
  on('backup', 'manifest in place, no row', 'unlink', MANIFEST_PART, 'after', 3),
  on('backup', 'copy complete, backup open', 'commit', '"copies".*"complete"', 'after', 3),
  on('backup', 'backup closed, run open', 'commit', 'update "backups".*"success"', 'after', 3),
]

const prune: readonly Phase[] = [
  on('backup', 'delete intent opened', 'commit', DELETE_OPENED, 'after', 3),
  on('backup', 'manifest removed', 'unlink', MANIFEST, 'after', 3),
  on('backup', 'archive removed, row complete', 'unlink', ARCHIVE, 'after', 3),
  on('backup', 'row pruned, intent open', 'commit', '"copies".*"pruned"', 'after', 3),
  on('backup', 'delete intent closed', 'commit', 'delete from "journal"', 'after', 3),
]

const restoring: readonly Phase[] = [
  on('restore', 'restore row opened', 'commit', 'insert into "restores"', 'after', 1),
  on('restore', 'pin written', 'link', String.raw`\.pin\.json$`, 'after', 2),
  on('restore', 'staging filled, journal not opened', 'commit', SWAP_OPENED, 'before', 1),
  on('restore', 'swap journal opened', 'commit', SWAP_OPENED, 'after', 1),
  on('restore', 'between two moves of the swap', 'rename', PREVIOUS, 'after', 1),
  on('restore', 'new data in place', 'rename', NEW_IN_PLACE, 'after', 1),
  on('restore', 'swapped, row not closed', 'commit', 'update "restores"', 'before', 1),
  on('restore', 'restore row closed, journal open', 'commit', 'update "restores"', 'after', 1),
  on('restore', 'journal closed', 'commit', 'delete from "journal"', 'after', 1),
]

const boot: readonly Phase[] = [
  on('boot', 'staging filled, journal not opened', 'commit', SWAP_OPENED, 'before', 1),
  on('boot', 'swap journal opened', 'commit', SWAP_OPENED, 'after', 1),
  on('boot', 'between two moves of the swap', 'rename', PREVIOUS, 'after', 1),
  on('boot', 'swapped, row not closed', 'commit', 'update "restores"', 'before', 1),
  on('boot', 'restored, not remembered', 'commit', 'restore.once', 'before', 1),
]

const recovering: readonly Phase[] = [
  on('recover', 'a cut swap before its next move', 'rename', '/live/', 'before', 1),
  on('recover', 'a cut swap after its next move', 'rename', '/live/', 'after', 1),
  on('recover', 'a cut swap finished, row open', 'commit', 'update "restores"', 'before', 1),
]

const releasing: readonly Phase[] = [
  on('release', 'baseline complete, previous about to go', 'rm', PREVIOUS, 'before', 1),
  on('release', 'previous removed', 'rm', PREVIOUS, 'after', 1),
  on('release', 'release about to be noted', 'commit', 'update "restores"', 'before', 1),
]

const changes: readonly Phase[] = [
  on('change', 'changed config about to be applied', 'commit', '"applied"', 'before', 1),
  on('change', 'changed config applied', 'commit', '"applied"', 'after', 1),
  on('adopt', 'adopt half-way', 'commit', 'insert into "copies"', 'after', 6),
  on('pin', 'pin part opened', 'open', String.raw`\.pin\.json\.[^.]+\.part$`, 'after', 1),
  on('pin', 'pin in place', 'link', String.raw`\.pin\.json$`, 'after', 1),
]

const alone: readonly Phase[] = [
  child('backup', 'tar of a backup', '^tar --create'),
  child('backup', 'zstd of a backup', '/zstd '),
  child('backup', 'copier of a database', 'sqlite-child'),
  child('backup', 'supervisor of a command', 'supervise'),
  child('restore', 'zstd of a restore', '/zstd '),
  child('boot', 'tar of a restore', '^tar (?!--version)'),
]

/** Every moment that the storm strikes by name. */
export const PHASES: readonly Phase[] = [
  ...backup,
  ...prune,
  ...restoring,
  ...boot,
  ...recovering,
  ...releasing,
  ...changes,
  ...alone,
]

/** How a phase is called in the table. */
export function titleOf({ verb, name, victim }: Phase<string>): string {
  return victim === 'child' ? `only the ${name}` : `${verb}: ${name}`
}

// biome-ignore lint/complexity/useMaxParams: the columns of the tables above
export function on<Does extends string>(
  verb: Does,
  name: string,
  call: KillOrder['on'],
  match: string,
  when: Phase['when'],
  upTo: number,
): Phase<Does> {
  return { name, verb, on: call, match, when, upTo }
}

function child(verb: Verb, name: string, match: string): Phase {
  return { name, verb, on: 'spawn', match, when: 'after', upTo: 1, victim: 'child' }
}
