import { checkKey } from '../keys.ts'
import type { Target, TargetKind } from '../target.ts'
import { type Bucket, openBucket, reaching } from './bucket.ts'
import { linkTo } from './link.ts'
import { listPages } from './list.ts'
import { readOptions } from './options.ts'
import { postureOf } from './posture.ts'
import { B2, type Profile, R2, S3 } from './profiles.ts'
import { readObject, statObject } from './read.ts'
import { removeObjects } from './remove.ts'
import { abortUpload } from './upload.ts'
import { retainedObjects } from './versions.ts'
import { putObject } from './write.ts'

/** A bucket of Amazon S3, or of whoever speaks its language. */
export const s3 = kindOf(S3)
/** A bucket of Cloudflare R2. */
export const r2 = kindOf(R2)
/** A bucket of Backblaze B2. */
export const b2 = kindOf(B2)

function kindOf(profile: Profile): TargetKind {
  return {
    kind: profile.kind,
    offHost: true,
    configure: (section, { uploads }) =>
      bucketTarget(openBucket(readOptions(section, profile), uploads)),
  }
}

function bucketTarget(bucket: Bucket): Target {
  const begin = (keys: readonly string[], signal: AbortSignal) => {
    for (const key of keys) checkKey(key)
    signal.throwIfAborted()
  }
  return {
    put: (key, body, putting, signal) => putObject(bucket, { ...putting, key, body }, signal),

    async get(key, start, signal) {
      begin([key], signal)
      return await reaching(bucket, `read ${key}`, readObject(bucket, key, start, signal))
    },

    async stat(key, signal) {
      begin([key], signal)
      return await reaching(bucket, `look at ${key}`, statObject(bucket, key, signal))
    },

    list: (prefix, signal) => listPages(bucket, prefix, signal),

    async remove(keys, signal) {
      begin(keys, signal)
      return await removeObjects(bucket, keys, signal)
    },

    async retained(keys, signal) {
      begin(keys, signal)
      return await retainedObjects(bucket, keys, signal)
    },

    async abort({ key, token, upload }, signal) {
      begin([key], signal)
      const open = await bucket.uploads.open()
      const ids = open.filter((one) => one.key === key && one.token === token).map(({ id }) => id)
      for (const id of upload === undefined ? ids : [upload]) {
        await abortUpload(bucket, { key, id }, signal)
      }
    },

    free: async () => null,

    async link(key, signal) {
      begin([key], signal)
      return await reaching(bucket, `link to ${key}`, linkTo(bucket, key, signal))
    },

    posture: postureOf(bucket),
  }
}
