import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Options } from '../../src/core/model.ts'
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { s3 } from '../../src/targets/s3/kinds.ts'
import type { Target, TargetSurroundings } from '../../src/targets/target.ts'
import type { TargetUnderTest } from '../contract/target.ts'
import { makeBucket, type S3Server } from '../services/s3-server.ts'
import { surroundings } from '../support/surroundings.ts'
import { fileLog } from './upload-log.ts'

const CHILD = join(import.meta.dirname, 's3-child.ts')

/** The block of the config that names a bucket of this server. */
export function blockOf(server: S3Server, bucket: string, over: Options = {}): Options {
  return {
    bucket,
    endpoint: server.endpoint,
    access_key_id: new Secret(server.accessKey),
    secret_access_key: new Secret(server.secretKey),
    ...over,
  }
}

/** A target from such a block. */
export function openTarget(block: Options, over: Partial<TargetSurroundings> = {}): Target {
  return s3.configure(section('targets.far', block), surroundings(over))
}

/** What the contract tries: a bucket of its own, under a prefix. */
export async function openPlace(server: S3Server): Promise<TargetUnderTest> {
  const bucket = await makeBucket(server)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-uploads-'))
  const over = { prefix: 'deep/prod/' }
  return {
    target: openTarget(blockOf(server, bucket, over), { uploads: fileLog(folder) }),
    async killMidPut(key, token) {
      const { endpoint, accessKey: access_key_id, secretKey: secret_access_key } = server
      const options = { bucket, endpoint, access_key_id, secret_access_key, ...over }
      const args = [CHILD, JSON.stringify(options), folder, key, token]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}
