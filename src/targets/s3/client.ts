import { createHash } from 'node:crypto'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import type { S3Options } from './options.ts'

/** A client, and what was learnt of its bucket through it. */
export interface Connection {
  readonly client: S3Client
  readonly learnt: Learnt
}

/** What the server told between one call and the next. */
export interface Learnt {
  /** False once the server answered that it knows no conditional writes. */
  conditionalWrites: boolean
  /** False once the server answered that it deletes objects one by one only. */
  batchDeletes: boolean
  /** When the bucket was last seen, on the clock of `performance.now()`. */
  bucketSeenAt: number | null
  versioned: Told | null
  lockable: Told | null
}

export interface Told {
  /** Null where the server was asked in vain. */
  readonly value: boolean | null
  /** On the clock of `performance.now()`. */
  readonly at: number
}

/** More targets than anybody declares; keys that were changed since fall out. */
const KEPT = 64

/** Connections by what they are made of: a target is configured anew for every operation. */
const connections = new Map<string, Connection>()

/** The connection of these options: one a process. Its idle sockets keep no process from its end. */
export function connect(options: S3Options): Connection {
  const key = identityOf(options)
  const known = connections.get(key)
  if (known) return known
  const connection = {
    client: makeClient(options),
    learnt: {
      conditionalWrites: true,
      batchDeletes: true,
      bucketSeenAt: null,
      versioned: null,
      lockable: null,
    },
  }
  connections.set(key, connection)
  const [oldest] = connections.keys()
  if (connections.size > KEPT && oldest !== undefined) connections.delete(oldest)
  return connection
}

/** A hash: keys are among it. */
function identityOf(options: S3Options): string {
  const { bucket, endpoint, region, pathStyle, credentials, limits } = options
  const { keyId, secret, token } = credentials ?? {}
  const keys = [keyId, secret, token].map((one) => one?.reveal() ?? null)
  const facts = [bucket, endpoint, region, pathStyle, limits.connect, limits.stall, ...keys]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

function makeClient({ endpoint, region, pathStyle, credentials, limits }: S3Options): S3Client {
  const config: S3ClientConfig = {
    forcePathStyle: pathStyle,
    // Amazon tells the region of a bucket that lies elsewhere; nobody else does.
    followRegionRedirects: endpoint === null,
    maxAttempts: 3,
    // Checksums of our own go with every body, in a form that all servers know.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // A server that never heard of it would cost each part seconds of waiting.
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: limits.connect, socketTimeout: limits.stall },
  }
  if (endpoint !== null) config.endpoint = endpoint
  if (region !== null) config.region = region
  if (credentials !== null) {
    config.credentials = {
      accessKeyId: credentials.keyId.reveal(),
      secretAccessKey: credentials.secret.reveal(),
      ...(credentials.token === null ? {} : { sessionToken: credentials.token.reveal() }),
    }
  }
  const client = new S3Client(config)
  client.middlewareStack.add(
    (next) => async (args) => {
      useContentMd5(args.request as RequestOut)
      return await next(args)
    },
    { step: 'build', priority: 'low', name: 'contentMd5' },
  )
  return client
}

interface RequestOut {
  readonly headers: Record<string, string>
  readonly body?: unknown
}

/** A body that must carry a checksum carries the one that old servers know too. */
function useContentMd5({ headers, body }: RequestOut): void {
  const names = Object.keys(headers).filter((name) => /^x-amz-(sdk-)?checksum-/i.test(name))
  if (names.length === 0 || !(typeof body === 'string' || body instanceof Uint8Array)) return
  for (const name of names) delete headers[name]
  headers['content-md5'] = createHash('md5').update(body).digest('base64')
}
