import { PutObjectCommand } from '@aws-sdk/client-s3'
import { Refused } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import type { Putting } from '../target.ts'
import { type Bucket, customerKey, objectAt } from './bucket.ts'
import { onlyIfNew } from './conditional.ts'
import { type Deadlines, type Filled, openLane } from './lane.ts'
import { cutFor } from './parts.ts'
import { type Answer, etagOf, md5Of, proves } from './proof.ts'
import { storedWith } from './stored.ts'

/** A body on its way into the bucket: in one request if it is no larger than a part, else in parts. */
export interface Sending {
  /** Aborts with the failure when a part could not be sent. */
  readonly broken: AbortSignal
  /** Resolves when there is memory for more. */
  take(batch: readonly Uint8Array[]): Promise<void>
  /** Resolves once all parts are with the server. */
  flush(): Promise<void>
  /** Whether it goes in parts: only servers of late refuse to make an object of parts over another. */
  isInParts(): boolean
  /** Makes the object, and gives the server's answer to that. Rejects with the server's error. */
  commit(signal: AbortSignal): Promise<Answer>
  /** How well the server proved what it has, by what it tells of the object. */
  readback(found: Answer): 'size' | 'etag' | 'checksum'
  /** Forgets the upload once there is the object. Never rejects. */
  over(): Promise<void>
  /** Takes back what is with the server and no object. Never rejects. */
  takeBack(): Promise<void>
}

export interface Goal extends Putting {
  readonly key: string
}

/** Sends what it is given to `goal`. As much is in memory as `parts` allows, or one part. */
export function startSending(bucket: Bucket, goal: Goal, deadlines: Deadlines): Sending {
  const { parts } = bucket.options
  const cut = cutFor(bucket.options, goal.expected ?? null)
  const lane = openLane(bucket, goal, parts.bytes * parts.parallel, deadlines)
  let number = 1
  let size = cut(number)
  let memory: Buffer | null = null
  let bytes = 0
  let single: Buffer = Buffer.alloc(0)

  const sendPart = async (part: Filled) => {
    memory = null
    bytes = 0
    size = cut(++number)
    await lane.send(part, size ?? 0)
  }
  return {
    broken: lane.broken,

    async take(batch) {
      for (const piece of batch) {
        for (let rest = piece; rest.byteLength > 0; ) {
          if (memory && bytes === size) await sendPart({ memory, bytes })
          if (size === null) throw tooLarge(goal.key, parts.bytes)
          memory ??= lane.room(size)
          const taken = rest.subarray(0, size - bytes)
          memory.set(taken, bytes)
          bytes += taken.byteLength
          rest = rest.subarray(taken.byteLength)
        }
      }
    },

    async flush() {
      if (lane.upload === null) single = memory?.subarray(0, bytes) ?? single
      else if (memory) await sendPart({ memory, bytes })
      await lane.flush()
    },

    isInParts: () => lane.upload !== null,

    async commit(signal) {
      if (lane.upload) return await lane.upload.complete(signal)
      return await putSingle(bucket, goal, single, signal)
    },

    readback(found) {
      // The server took no part but under the hash that its request was signed over.
      if (lane.upload) return 'checksum'
      const md5 = md5Of(single)
      if (etagOf(found) === md5.toString('hex')) return 'etag'
      return proves(found, md5) ? 'checksum' : 'size'
    },

    over: () => lane.over(),
    takeBack: () => lane.takeBack(),
  }
}

function tooLarge(key: string, bytes: number): Refused {
  return new Refused(`${key} is larger than 10,000 parts of ${formatBytes(bytes)}`, {
    at: key,
    hint: 'set part_size of the target to more',
  })
}

async function putSingle(
  bucket: Bucket,
  { key, token }: Goal,
  body: Buffer,
  signal: AbortSignal,
): Promise<Answer> {
  const params = {
    ...objectAt(bucket, key),
    ...customerKey(bucket),
    ...storedWith(bucket.options, key, token),
    Body: body,
    ContentLength: body.length,
    ContentMD5: md5Of(body).toString('base64'),
  }
  return await onlyIfNew(
    bucket,
    key,
    (condition) =>
      bucket.send(
        (client, options) =>
          client.send(new PutObjectCommand({ ...params, ...condition }), options),
        signal,
      ),
    signal,
  )
}
