import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { S3Server } from '../services/s3-server.ts'

/** A bucket whose key may not do everything, or that answers as no real server at hand does. */
export interface FakeBucket extends S3Server {
  /** Every version and marker, the newest last. */
  readonly versions: Version[]
  /** What was asked for, as a policy calls it, with the key: `PutObject a`. */
  readonly asked: string[]
  /** Keys that a look finds. */
  visible(): readonly string[]
}

export interface Version {
  readonly key: string
  readonly id: string
  /** Null: a marker. */
  readonly body: Buffer | null
  readonly token: string
  /** Until when it is locked. */
  until: string | null
}

export interface Nature {
  readonly versioned?: boolean
  readonly lockable?: boolean
  /** What the key may not do, as a policy calls it, without `s3:`. */
  readonly denied?: readonly string[]
  /** An answer instead of the bucket's own. */
  readonly instead?: (asked: Asked) => Promise<Answer | null> | Answer | null
}

export interface Asked {
  readonly action: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** So many bytes of the body come before the connection is cut. */
  readonly cutAt?: number
}

/** Starts one on the loopback; any name of a bucket is its own. */
export async function startFakeBucket(nature: Nature): Promise<FakeBucket> {
  const versions: Version[] = []
  const log: string[] = []
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://bucket')
    const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'))
    const action = actionOf(request.method ?? '', key, url.searchParams)
    const body = await buffer(request)
    const asked = { action, key, query: url.searchParams, headers: request.headers, body }
    log.push(`${action} ${key}`.trim())
    const answer = (await nature.instead?.(asked)) ?? answerTo(asked, versions, nature)
    response.statusCode = answer.status ?? 200
    const content = Buffer.from(answer.body ?? '')
    const headers = { 'content-length': content.length, ...answer.headers }
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (answer.cutAt === undefined) return void response.end(content)
    response.write(content.subarray(0, answer.cutAt), () => request.socket.destroySoon())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    // Each its own: what is learnt of a bucket is known by its key.
    accessKey: `key-${port}`,
    secretKey: 'secret',
    versions,
    asked: log,
    visible() {
      const keys = new Set(versions.map((version) => version.key))
      return [...keys].filter((one) => newest(versions, one)?.body).sort()
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

const OF_BUCKET: Readonly<Record<string, string>> = {
  versioning: 'GetBucketVersioning',
  'object-lock': 'GetBucketObjectLockConfiguration',
  versions: 'ListBucketVersions',
  uploads: 'ListBucketMultipartUploads',
  'list-type': 'ListBucket',
  delete: 'DeleteObjects',
}

function actionOf(method: string, key: string, query: URLSearchParams): string {
  if (key === '') return Object.entries(OF_BUCKET).find(([name]) => query.has(name))?.[1] ?? ''
  const verb = { PUT: 'Put', DELETE: 'Delete' }[method] ?? 'Get'
  if (query.has('retention')) return `${verb}ObjectRetention`
  return `${verb}Object${verb === 'Delete' && query.has('versionId') ? 'Version' : ''}`
}

const NOT_ALLOWED: Answer = { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }
const NOTHING: Answer = { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' }

function newest(versions: readonly Version[], key: string): Version | undefined {
  return versions.findLast((version) => version.key === key)
}

function answerTo(asked: Asked, versions: Version[], nature: Nature): Answer {
  const { action, query } = asked
  if (nature.denied?.includes(action)) return NOT_ALLOWED
  switch (action) {
    case 'GetBucketVersioning': {
      const status = nature.versioned ? '<Status>Enabled</Status>' : ''
      return { body: `<VersioningConfiguration>${status}</VersioningConfiguration>` }
    }
    case 'GetBucketObjectLockConfiguration': {
      if (!nature.lockable) {
        const code = '<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>'
        return { status: 404, body: code }
      }
      const enabled = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>'
      return { body: `<ObjectLockConfiguration>${enabled}</ObjectLockConfiguration>` }
    }
    case 'ListBucketVersions':
      return { body: listOf(versions.filter(({ key }) => key === query.get('prefix'))) }
    case 'DeleteObjects':
      return deleteTogether(asked, versions, nature)
    case 'GetObject':
    case 'PutObject':
    case 'GetObjectRetention':
    case 'PutObjectRetention':
      return answerOfObject(asked, versions, nature)
    case 'DeleteObject':
    case 'DeleteObjectVersion': {
      const deleted = deleteOne({ ...asked, version: query.get('versionId') }, versions, nature)
      if (deleted === null) return NOT_ALLOWED
      const marker = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': deleted }
      return { status: 204, headers: deleted === '' ? {} : marker }
    }
    default:
      return {}
  }
}

function answerOfObject(asked: Asked, versions: Version[], nature: Nature): Answer {
  const { action, key, headers, body } = asked
  const found = newest(versions, key)
  if (action === 'PutObject') {
    if (found?.body && headers['if-none-match'] === '*') return { status: 412 }
    const until = headers['x-amz-object-lock-retain-until-date']
    const token = String(headers['x-amz-meta-holdfast-token'] ?? '')
    const made = { key, id: `v${versions.length + 1}`, body, token }
    versions.push({ ...made, until: typeof until === 'string' ? until : null })
    return { headers: tellingOf(made, nature) }
  }
  if (!found?.body) return NOTHING
  if (action === 'PutObjectRetention') {
    found.until = /<RetainUntilDate>([^<]*)/.exec(body.toString())?.[1] ?? null
    return {}
  }
  if (action === 'GetObjectRetention') {
    if (found.until === null) {
      const code = '<Error><Code>NoSuchObjectLockConfiguration</Code></Error>'
      return { status: 404, body: code }
    }
    const until = `<RetainUntilDate>${found.until}</RetainUntilDate>`
    return { body: `<Retention><Mode>COMPLIANCE</Mode>${until}</Retention>` }
  }
  // Amazon tells no lock to a key that may not ask for it.
  const isTold = found.until !== null && !nature.denied?.includes('GetObjectRetention')
  const lock = { 'x-amz-object-lock-retain-until-date': found.until ?? '' }
  const told = { ...tellingOf(found, nature), 'x-amz-meta-holdfast-token': found.token }
  return { headers: isTold ? { ...told, ...lock } : told, body: found.body }
}

function tellingOf({ id, body }: Pick<Version, 'id' | 'body'>, { versioned }: Nature) {
  const md5 = createHash('md5').update(body ?? '')
  return {
    etag: `"${md5.digest('hex')}"`,
    'last-modified': new Date().toUTCString(),
    ...(versioned ? { 'x-amz-version-id': id } : {}),
  }
}

interface Doomed {
  readonly key: string
  readonly version: string | null
}

/** The id of the marker that was put, empty where none was; null: not allowed. */
function deleteOne({ key, version }: Doomed, versions: Version[], nature: Nature): string | null {
  const action = version ? 'DeleteObjectVersion' : 'DeleteObject'
  if (nature.denied?.includes(action)) return null
  if (nature.versioned && !version) {
    const id = `v${versions.length + 1}`
    versions.push({ key, id, body: null, token: '', until: null })
    return id
  }
  const at = versions.findIndex((one) => one.key === key && (!version || one.id === version))
  if (versions[at]?.until) return null
  if (at >= 0) versions.splice(at, 1)
  return ''
}

function deleteTogether({ body }: Asked, versions: Version[], nature: Nature): Answer {
  const object = /<Object><Key>([^<]*)<\/Key>(?:<VersionId>([^<]*)<\/VersionId>)?<\/Object>/g
  const told = Array.from(body.toString().matchAll(object), ([, key = '', version = '']) => {
    const marker = deleteOne({ key, version }, versions, nature)
    const what = `<Key>${key}</Key>${version ? `<VersionId>${version}</VersionId>` : ''}`
    if (marker === null) return `<Error>${what}<Code>AccessDenied</Code></Error>`
    if (marker === '') return `<Deleted>${what}</Deleted>`
    const by = `<DeleteMarkerVersionId>${marker}</DeleteMarkerVersionId>`
    return `<Deleted>${what}<DeleteMarker>true</DeleteMarker>${by}</Deleted>`
  })
  return { body: `<DeleteResult>${told.join('')}</DeleteResult>` }
}

function listOf(versions: readonly Version[]): string {
  const told = versions.map((version) => {
    const { key, id, body } = version
    const name = body ? 'Version' : 'DeleteMarker'
    const latest = `<IsLatest>${newest(versions, key) === version}</IsLatest>`
    return `<${name}><Key>${key}</Key><VersionId>${id}</VersionId>${latest}</${name}>`
  })
  return `<ListVersionsResult><IsTruncated>false</IsTruncated>${told.join('')}</ListVersionsResult>`
}
