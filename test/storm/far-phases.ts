import { on, type Phase } from './phases.ts'

/** What a process is told to do when it or its far target is to be struck. */
export type FarVerb = 'backup' | 'prune' | 'copy' | 'verify' | 'restore' | 'daemon'

export type FarPhase = Phase<FarVerb>

/** Regular expressions for `PUT /bucket/key`. */
export type Requests = Readonly<Partial<Record<FarVerb, readonly string[]>>>

const ROWS = '"copies".*"complete"'
const DELETE_OPENED = String.raw`insert into "journal".*\\"kind\\":\\"delete\\"`
const ANY_ROW: readonly FarPhase[] = [
  on('backup', 'manifests in place, no row', 'commit', ROWS, 'before', 2),
  on('copy', 'manifest in place, no row', 'commit', ROWS, 'before', 2),
  on('prune', 'delete intent opened', 'commit', DELETE_OPENED, 'after', 3),
]

const UPLOAD = String.raw`insert into "journal".*\\"kind\\":\\"upload\\"`
const BEGIN = String.raw`^POST [^?]*\?.*uploads`
const PART = '^PUT .*partNumber='
const END = '^POST .*uploadId='
const S3_SMALL = String.raw`^PUT [^?]*\.sqlite\.zst(?:\.age)?(?:\?x-id|$)`
const S3_MANIFEST = String.raw`^PUT [^?]*\.manifest\.json`
const S3_GONE_MANIFEST = String.raw`^DELETE [^?]*\.manifest\.json`
const S3_GONE_ARCHIVE = String.raw`^DELETE [^?]*\.zst(?:\.age)?(?:\?|$)`

/** Requests that change what is there, by the verbs that make them. */
export const S3_REQUESTS: Requests = {
  backup: [BEGIN, PART, END, S3_SMALL, S3_MANIFEST],
  copy: [BEGIN, PART, END, S3_MANIFEST],
  prune: ['^DELETE'],
}

/** Moments of a target on S3, by its requests. */
export const S3_PHASES: readonly FarPhase[] = [
  ...ANY_ROW,
  on('backup', 'upload begun, not remembered', 'request', BEGIN, 'after', 2),
  on('backup', 'upload remembered', 'commit', UPLOAD, 'after', 2),
  on('backup', 'a part sent', 'request', PART, 'after', 4),
  on('backup', 'upload about to be ended', 'request', END, 'before', 2),
  on('backup', 'upload ended', 'request', END, 'after', 2),
  on('backup', 'small archive sent', 'request', S3_SMALL, 'after', 2),
  on('backup', 'one manifest sent', 'request', S3_MANIFEST, 'after', 3),
  on('prune', 'manifest removed', 'request', S3_GONE_MANIFEST, 'after', 3),
  on('prune', 'archive removed', 'request', S3_GONE_ARCHIVE, 'after', 3),
  on('copy', 'upload begun, not remembered', 'request', BEGIN, 'after', 1),
  on('copy', 'a part sent', 'request', PART, 'after', 2),
  on('copy', 'upload ended, no manifest', 'request', END, 'after', 1),
]

const SSH_PART = String.raw`\.(?:zst|age)\.[^. ]+\.part`
const SSH_ARCHIVE = String.raw`^rename .*${SSH_PART} .*\.(?:zst|age)$`
const SSH_MANIFEST = String.raw`^rename .*\.part .*\.manifest\.json$`
const SSH_MANIFEST_PART = String.raw`^open .*\.manifest\.json\.[^. ]+\.part wx`

/** Moments of a target on SSH, by what it asks of the server. */
export const SSH_PHASES: readonly FarPhase[] = [
  ...ANY_ROW,
  on('backup', 'part opened', 'sftp', `^open .*${SSH_PART} wx`, 'after', 4),
  on('backup', 'archive before its rename', 'sftp', SSH_ARCHIVE, 'before', 4),
  on('backup', 'archive renamed', 'sftp', SSH_ARCHIVE, 'after', 4),
  on('backup', 'manifest part opened', 'sftp', SSH_MANIFEST_PART, 'after', 4),
  on('backup', 'manifest before its rename', 'sftp', SSH_MANIFEST, 'before', 4),
  on('backup', 'one manifest renamed', 'sftp', SSH_MANIFEST, 'after', 3),
  on('prune', 'manifest removed', 'sftp', String.raw`^unlink .*\.manifest\.json$`, 'after', 3),
  on('prune', 'archive removed', 'sftp', String.raw`^unlink .*\.(?:zst|age)$`, 'after', 3),
  on('copy', 'part opened', 'sftp', `^open .*${SSH_PART} wx`, 'after', 2),
  on('copy', 'archive renamed, no manifest', 'sftp', SSH_ARCHIVE, 'after', 2),
  on('copy', 'manifest part opened', 'sftp', SSH_MANIFEST_PART, 'after', 2),
]
