import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { CryptrKey } from '../../src/core/model.ts'
import { Secret } from '../../src/lib/secret.ts'
import { DEFAULT_META } from '../../src/sources/hiqlite/meta.ts'
import { cryptrDecrypt } from '../../src/stream/cryptr.ts'
import { clientOf, makeBucket, type S3Server } from '../services/s3-server.ts'
import { addMeta, LIVE_META } from './hiqlite.ts'
import { cryptrEncrypt } from './sealing.ts'
import { makeDatabase } from './sqlite.ts'

const exec = promisify(execFile)

/** Two keys of Rauthy, as its config writes them; copies are closed with the second one. */
export const KEYS = ['old2025', 'key2026'].map((id) => ({
  id,
  base64: randomBytes(32).toString('base64'),
}))
export const ACTIVE = 'key2026'

/** A bucket on a real server, as whoever looks at it from outside sees it. */
export interface Bucket {
  readonly server: S3Server
  readonly name: string
  /** Keys of all objects, in order. */
  keys(): Promise<readonly string[]>
  get(key: string): Promise<Buffer>
  put(key: string, bytes: Uint8Array): Promise<void>
  has(key: string): Promise<boolean>
}

export async function openBucket(server: S3Server): Promise<Bucket> {
  const name = await makeBucket(server)
  const client = clientOf(server)
  const at = (Key: string) => ({ Bucket: name, Key })
  return {
    server,
    name,
    async keys() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }))
      return Contents.flatMap(({ Key }) => Key ?? [])
    },
    async get(key) {
      const { Body } = await client.send(new GetObjectCommand(at(key)))
      return Buffer.from((await Body?.transformToByteArray()) ?? [])
    },
    async put(key, bytes) {
      await client.send(new PutObjectCommand({ ...at(key), Body: bytes }))
    },
    has: (key) =>
      client.send(new HeadObjectCommand(at(key))).then(
        () => true,
        () => false,
      ),
  }
}

/** What differs from one config to the next. */
export interface RauthyTraits {
  readonly backupCron?: string
  /** Of the bucket's server; its own unless told. */
  readonly port?: number
  readonly keys?: readonly { readonly id: string; readonly base64: string }[]
  /** More lines of `[cluster]`. */
  readonly cluster?: string
}

/** A config of Rauthy for one node whose backups go to the bucket. */
export function rauthyConfig(bucket: Bucket, traits: RauthyTraits = {}): string {
  const { backupCron = '0 30 2 * * * *', port = bucket.server.port, keys = KEYS } = traits
  return `[cluster]
node_id = 1
nodes = ["1 localhost:8100 localhost:8200"]
secret_raft = "SuperSecureSecret1337"
secret_api = "SuperSecureSecret1337"
backup_cron = "${backupCron}"
backup_keep_days = 30
backup_keep_days_local = 3
s3_url = "http://127.0.0.1:${port}"
s3_bucket = "${bucket.name}"
s3_region = "us-east-1"
s3_path_style = true
s3_key = "${bucket.server.accessKey}"
s3_secret = "${bucket.server.secretKey}"
${traits.cluster ?? ''}

[database]
hiqlite = true

[encryption]
keys = [${keys.map(({ id, base64 }) => JSON.stringify(`${id}/${base64}`)).join(', ')}]
key_active = "${keys.at(-1)?.id}"
`
}

/** A live database of a node in WAL mode, and nothing else in its data_dir; its path. */
export async function makeLiveDatabase(dataDir: string, rows = 200): Promise<string> {
  const folder = join(dataDir, 'state_machine', 'db')
  await mkdir(folder, { recursive: true })
  await chmod(dataDir, 0o700)
  const path = join(folder, 'hiqlite.db')
  makeDatabase(path, 'wal', rows)
  addMeta(path, LIVE_META)
  return path
}

/** What Hiqlite itself pushes: a vacuumed copy with its default row, closed by cryptr. */
export async function hiqlitePush(database: string, keyId = ACTIVE): Promise<Buffer> {
  const path = join(dirname(database), 'pushed')
  await exec('sqlite3', [database, `vacuum into '${path}'`])
  addMeta(path, DEFAULT_META)
  const plain = await readFile(path)
  await rm(path)
  return await collect(cryptrEncrypt(keyNamed(keyId))(once(plain)))
}

/** The content of an object that is closed by cryptr. Throws when it is not, or is not whole. */
export async function openObject(bytes: Buffer): Promise<Buffer> {
  const identities = KEYS.map(({ id }) => {
    const { key } = keyNamed(id)
    return { kind: 'cryptr', id, secret: key } as const
  })
  return await collect(cryptrDecrypt(identities, new AbortController().signal)(once(bytes)))
}

function keyNamed(id: string): CryptrKey {
  const key = KEYS.find((one) => one.id === id)
  if (!key) throw new Error(`there is no key ${id}`)
  return { id, key: new Secret(key.base64) }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield Buffer.from(bytes)
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
