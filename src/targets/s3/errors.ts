import { Failure, TargetUnreachable } from '../../lib/errors.ts'
import type { S3Options } from './options.ts'

/** The error code that a server or the system gave; of an answer without a body its status: `HTTP 403`. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { code, Code } = error as { code?: unknown; Code?: unknown }
  for (const one of [Code, code, error.name]) {
    if (typeof one === 'string' && !UNTOLD.has(one)) return one
  }
  const status = statusOf(error)
  return status === null ? error.name : `HTTP ${status}`
}

/** Names that the SDK makes up where the server gave none. */
const UNTOLD = new Set(['Error', 'Unknown', 'UnknownError', 'NotFound', 'Forbidden', 'BadRequest'])

/** The HTTP status of an answer, or null where none came. */
export function statusOf(error: unknown): number | null {
  const { $metadata } = (error ?? {}) as { $metadata?: { httpStatusCode?: unknown } }
  return typeof $metadata?.httpStatusCode === 'number' ? $metadata.httpStatusCode : null
}

/** Whether the server does not know what it was asked for. */
export function isUnsupported(error: unknown): boolean {
  const code = codeOf(error)
  return statusOf(error) === 501 || code === 'NotImplemented' || code === 'MethodNotAllowed'
}

/** Whether the key may not do what it was asked for. */
export function isDenied(error: unknown): boolean {
  return ['AccessDenied', 'AllAccessDisabled', 'HTTP 403'].includes(codeOf(error))
}

/** `bucket backups at s3.example.com`, as messages call it. */
export function placeOf({ bucket, endpoint, region }: S3Options): string {
  const host =
    endpoint === null ? `Amazon S3${region === null ? '' : ` ${region}`}` : hostOf(endpoint)
  return `bucket ${bucket} at ${host}`
}

function hostOf(endpoint: string): string {
  return URL.parse(endpoint)?.host ?? endpoint
}

/** The failure that an error of the SDK means; failures of ours and reasons of signals are themselves. */
export function trouble(options: S3Options, attempt: string, error: unknown): unknown {
  if (error instanceof Failure || !isOfSdk(error)) return error
  const [why, hint] = explain(options, attempt, error)
  return new TargetUnreachable(`cannot ${attempt} in ${placeOf(options)}: ${why}`, {
    cause: error,
    at: options.bucket,
    ...(hint === null ? {} : { hint }),
  })
}

/** What a call rejects with comes from the server, the system or the SDK; a signal's reason need not. */
function isOfSdk(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  // The log of uploads fails with codes too: those of the state.
  if (typeof code === 'string') return !code.startsWith('ERR_SQLITE')
  return '$metadata' in error || '$response' in error || SDK_NAMES.has(error.name)
}

const SDK_NAMES = new Set(['TimeoutError', 'CredentialsProviderError', 'NoAnswer'])

/** Throws unless one of these was told: whatever answers there, S3 always tells it. */
export function checkAnswer(...told: readonly unknown[]): void {
  if (told.some((one) => one !== undefined)) return
  throw Object.assign(new Error('an answer that says nothing'), { name: 'NoAnswer' })
}

type Explanation = readonly [why: string, hint: string | null]

function explain(options: S3Options, attempt: string, error: Error): Explanation {
  const code = codeOf(error)
  if (code === 'RequestTimeTooSkewed') return explainSkew(error)
  const known = EXPLANATIONS[code]
  if (known) return known(options, attempt)
  const status = statusOf(error)
  if (status !== null && status >= 500)
    return ['the server answers with an error', told(error, AGAIN)]
  if (status === 301 || status === 307) return WRONG_REGION
  if (code === 'EPROTO' || code.includes('WRONG_VERSION_NUMBER')) {
    return ['it speaks no TLS', 'write the endpoint with http://, if that network may be trusted']
  }
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    return [`its certificate is not trusted (${code})`, 'name its authority in NODE_EXTRA_CA_CERTS']
  }
  // No error by its status, nor one with a code: an answer that the SDK could not read.
  if (code === 'HTTP 200' || code.startsWith('HPE_')) return NO_S3
  return [told(error, code), null]
}

const AGAIN = 'wait, or look at the state of the server'

/** What the server said, short and on one line: it is a stranger's text. */
function told(error: Error, otherwise: string): string {
  const text = error.message.replace(/\s+/g, ' ').trim().slice(0, 200)
  const code = codeOf(error)
  if (text === '' || text === 'UnknownError') return otherwise
  return text.includes(code) ? text : `${code}: ${text}`
}

function explainSkew(error: Error): Explanation {
  const { $response } = error as { $response?: { headers?: Record<string, string> } }
  const date = Date.parse($response?.headers?.date ?? '')
  const hint = 'set the clock of this machine: timedatectl set-ntp true'
  if (Number.isNaN(date)) return ['the clock of this machine is too far from the server’s', hint]
  const seconds = Math.round((Date.now() - date) / 1000)
  const side = seconds < 0 ? 'behind' : 'ahead of'
  return [`the clock of this machine is ${Math.abs(seconds)} s ${side} the server’s`, hint]
}

const WRONG_REGION: Explanation = [
  'the bucket lies in another region, or has another endpoint',
  'set region and endpoint as the provider shows them for this bucket',
]

const denied = ({ bucket, prefix, lock }: S3Options, attempt: string): Explanation => {
  const ofBucket = SETTINGS[attempt]
  const locking = lock !== null && attempt.startsWith('write ') ? LOCKING : ''
  const what = ofBucket
    ? `${ofBucket} on ${bucket}`
    : `${actionsFor(attempt)}${locking} on ${bucket}/${prefix}*`
  return ['access is denied', `let the key do it: ${what}`]
}

const LOCKING = ', s3:PutObjectRetention for its lock, and s3:GetObjectRetention to look at that'

/** What a policy calls the steps that concern the bucket itself. */
const SETTINGS: Readonly<Record<string, string>> = {
  'look at versioning': 's3:GetBucketVersioning',
  'look at object lock': 's3:GetBucketObjectLockConfiguration',
  'look at abort multipart': 's3:GetLifecycleConfiguration',
  'look at encryption': 's3:GetEncryptionConfiguration',
  'look at public access': 's3:GetBucketPublicAccessBlock',
  'set versioning': 's3:PutBucketVersioning',
  'set object lock': 's3:PutBucketObjectLockConfiguration',
  'set abort multipart': 's3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration',
  'set encryption': 's3:PutEncryptionConfiguration',
  'set public access': 's3:PutBucketPublicAccessBlock',
}

/** What a policy calls the steps that we take. */
function actionsFor(attempt: string): string {
  const [verb = ''] = attempt.split(' ')
  return ACTIONS[verb] ?? 's3:GetObject and s3:ListBucket'
}

const ACTIONS: Readonly<Record<string, string>> = {
  write: 's3:PutObject, s3:AbortMultipartUpload, and s3:GetObject to look at the outcome',
  read: 's3:GetObject',
  look: 's3:GetObject, and s3:ListBucket to tell what is missing from what is forbidden',
  list: 's3:ListBucket, s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts',
  remove:
    's3:DeleteObject, and s3:ListBucketVersions with s3:DeleteObjectVersion where it is versioned',
  abort: 's3:AbortMultipartUpload',
}

const NO_S3: Explanation = [
  'what answers there speaks no S3',
  'see whether the server runs, and whether endpoint is right',
]

const dead = (why: string) => (): Explanation => [
  why,
  'see whether the server runs, and whether endpoint is right',
]
const wrongKey = (why: string) => (): Explanation => [
  why,
  'set access_key_id and secret_access_key of one key of this provider',
]
const full = (why: string) => (): Explanation => [why, 'free some space there, or raise the limit']

const EXPLANATIONS: Readonly<Record<string, (options: S3Options, attempt: string) => Explanation>> =
  {
    NoSuchBucket: ({ bucket }) => [
      'there is no such bucket',
      `make it, or mend its name: ${bucket}`,
    ],
    InvalidBucketName: ({ bucket }) => ['that is no name of a bucket', `mend its name: ${bucket}`],
    InvalidAccessKeyId: wrongKey('the server does not know the access key'),
    SignatureDoesNotMatch: wrongKey('the secret does not match the access key'),
    InvalidToken: wrongKey('the session token is not valid'),
    ExpiredToken: wrongKey('the session token has expired'),
    CredentialsProviderError: wrongKey('neither the config nor the environment has a key'),
    AccessDenied: denied,
    AllAccessDisabled: denied,
    'HTTP 403': denied,
    QuotaExceeded: full('the quota is used up'),
    InsufficientStorage: full('no space is left'),
    'HTTP 507': full('no space is left'),
    PermanentRedirect: () => WRONG_REGION,
    AuthorizationHeaderMalformed: () => WRONG_REGION,
    IllegalLocationConstraintException: () => WRONG_REGION,
    ECONNREFUSED: dead('nothing listens there'),
    ENOTFOUND: dead('there is no such host'),
    EAI_AGAIN: dead('its name cannot be looked up now'),
    EHOSTUNREACH: dead('there is no way to it'),
    ENETUNREACH: dead('there is no way to it'),
    ECONNRESET: dead('the connection was cut'),
    EPIPE: dead('the connection was cut'),
    TimeoutError: dead('it does not answer in time'),
    ETIMEDOUT: dead('it does not answer in time'),
    NoAnswer: () => NO_S3,
    BadDigest: () => ['the bytes were changed on their way', 'look at the network, and try again'],
    SlowDown: () => ['the server asks to slow down', AGAIN],
    InvalidObjectState: () => [
      'the object lies in an archive tier',
      'restore it there first, or take another storage_class',
    ],
  }
