import { join } from 'node:path'
import { startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { startSshd } from '../services/sshd.ts'
import { type FaultyLink, startProxy } from '../support/proxy.ts'
import { folderShelf, type Shelf } from '../support/shelf.ts'
import { bucketShelf } from './bucket-shelf.ts'
import { type Requests, S3_REQUESTS } from './far-phases.ts'

/** A real server for far targets. */
export interface Site extends AsyncDisposable {
  /** Bytes of the file that makes an archive large there: on S3 of three parts. */
  readonly blob: number
  /** The longest that the network stalls, in milliseconds: a good deal longer than a target on S3 waits. */
  readonly longestStall: number
  /** Requests that may arrive late; null where nobody can read them on the way. */
  readonly requests: Requests | null
  /** Two places for a new workspace: `far` behind the link, `near` straight at the server. */
  furnish(link: FaultyLink): Promise<(root: string) => readonly Shelf[]>
  link(): Promise<FaultyLink>
  /** The server is killed. */
  crash(): Promise<void>
  /** And is there again. */
  revive(): Promise<void>
}

/** How long a target on S3 waits for a server that says nothing. */
const STALL = '2s'

export async function startS3Site(): Promise<Site> {
  const ceph = await startCeph()
  return {
    blob: 11_500_000,
    longestStall: 4_000,
    requests: S3_REQUESTS,
    link: () => startProxy(ceph.port),
    async furnish(link) {
      const block = {
        access_key_id: ceph.accessKey,
        secret_access_key: ceph.secretKey,
        part_size: '5MiB',
        stall_timeout: STALL,
        connect_timeout: STALL,
      }
      const client = clientOf(ceph)
      const [far, near] = [await makeBucket(ceph), await makeBucket(ceph)]
      return (root) => {
        const folder = join(root, 'fetched')
        return [
          bucketShelf('far', { client, name: far, folder }, { ...block, endpoint: link.endpoint }),
          bucketShelf(
            'near',
            { client, name: near, folder },
            { ...block, endpoint: ceph.endpoint },
          ),
        ]
      }
    },
    crash: ceph.crash,
    revive: ceph.revive,
    [Symbol.asyncDispose]: () => ceph[Symbol.asyncDispose](),
  }
}

export async function startSshSite(): Promise<Site> {
  const sshd = await startSshd()
  const block = {
    type: 'ssh',
    host: '127.0.0.1',
    username: sshd.username,
    private_key: sshd.keys.plain,
  }
  return {
    blob: 3_000_000,
    longestStall: 2_500,
    requests: null,
    link: () => startProxy(sshd.port),
    async furnish(link) {
      return (root) =>
        (
          [
            ['far', link.port],
            ['near', sshd.port],
          ] as const
        ).map(([name, port]) => {
          const path = join(root, name)
          return folderShelf(name, path, { ...block, port, path })
        })
    },
    crash: sshd.crash,
    revive: sshd.revive,
    [Symbol.asyncDispose]: () => sshd[Symbol.asyncDispose](),
  }
}
