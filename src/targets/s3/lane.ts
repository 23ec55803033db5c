import { type Bucket, reaching } from './bucket.ts'
import type { Goal } from './sending.ts'
import { abortUpload, beginUpload, type MultipartUpload } from './upload.ts'

/** What the server gets to take an upload back, in milliseconds. */
const TAKE_BACK = 4_000

/** How long a sending may go on. */
export interface Deadlines {
  readonly signal: AbortSignal
  /** Later than `signal`: for what must not be left half done. */
  readonly late: AbortSignal
}

/** A part in memory that was got as `room`. */
export interface Filled {
  readonly memory: Buffer
  readonly bytes: number
}

/** Parts under way, a few at a time. The upload begins with the first of them. */
export interface Lane {
  /** Aborts with the failure when a part could not be sent. */
  readonly broken: AbortSignal
  /** Null before the first part. */
  readonly upload: MultipartUpload | null
  /** Memory for a part of so many bytes: that of one that is with the server, where it fits. */
  room(bytes: number): Buffer
  /** Begins to send the next part; resolves once there is memory for one of `next` bytes. */
  send(part: Filled, next: number): Promise<void>
  /** Resolves once all parts are with the server. */
  flush(): Promise<void>
  /** Forgets the upload: it is an object now. Never rejects. */
  over(): Promise<void>
  /** Takes back what is with the server. Never rejects. */
  takeBack(): Promise<void>
}

/** A lane to `goal` through which `budget` bytes may be under way, or one part. */
export function openLane(
  bucket: Bucket,
  goal: Goal,
  budget: number,
  { signal, late }: Deadlines,
): Lane {
  const broken = new AbortController()
  const stop = AbortSignal.any([signal, broken.signal])
  const underWay = new Set<Promise<void>>()
  /** What the collector would find too late: parts come faster than it runs. */
  const spare: Buffer[] = []
  let inFlight = 0
  let number = 0
  let beginning: Promise<MultipartUpload> | null = null
  let upload: MultipartUpload | null = null

  const start = ({ memory, bytes }: Filled, to: MultipartUpload) => {
    inFlight += memory.length
    const part = memory.subarray(0, bytes)
    const sent = reaching(bucket, `write ${goal.key}`, to.send(++number, part, stop))
    const settled = sent
      .then(
        () => void spare.push(memory),
        (error: unknown) => broken.abort(error),
      )
      .finally(() => {
        inFlight -= memory.length
        underWay.delete(settled)
      })
    underWay.add(settled)
  }
  return {
    broken: broken.signal,
    get upload() {
      return upload
    },
    room(bytes) {
      const known = spare.pop()
      return known?.length === bytes ? known : Buffer.allocUnsafeSlow(bytes)
    },
    async send(part, next) {
      // Not cut short by an abort: an upload that the server began must be known to be taken back.
      beginning ??= beginUpload(bucket, goal, late)
      upload = await beginning
      stop.throwIfAborted()
      start(part, upload)
      while (inFlight > 0 && inFlight + next > budget) await Promise.race(underWay)
      stop.throwIfAborted()
    },
    async flush() {
      await Promise.all(underWay)
      stop.throwIfAborted()
    },
    async over() {
      // Remembered for longer, the next listing finds that it is gone.
      if (upload) await bucket.uploads.over(upload.id).catch(() => {})
    },
    async takeBack() {
      broken.abort()
      const begun = await beginning?.catch(() => null)
      await Promise.all(underWay)
      if (!begun) return
      // What the server does not take back now, a later pass does: it is remembered.
      const limit = AbortSignal.timeout(TAKE_BACK)
      await abortUpload(bucket, { key: goal.key, id: begun.id }, limit).catch(() => {})
    },
  }
}
