import { TargetUnreachable } from '../lib/errors.ts'
import { startTimer, type Timer } from '../lib/limits.ts'
import { formatDuration } from '../lib/time.ts'

/** Chunks that the fastest consumer may be ahead of the slowest. */
const AHEAD = 4
/** No disk or network that works takes this long for a chunk; a mount that hangs takes for ever. */
const STALL_LIMIT = 5 * 60_000

/** What becomes of a consumer that holds up the others. */
export interface Stalls {
  /** Milliseconds; 5 minutes unless told. */
  readonly limit?: number
  /** Told once which consumer was dropped, so that it can be stopped. */
  onStall(index: number, error: TargetUnreachable): void
}

interface Fan {
  readonly source: AsyncIterator<Uint8Array>
  readonly branches: readonly Branch[]
  /** True while the source is being asked. */
  reading: boolean
  /** How the source ended, once it did. */
  end: End | null
  readonly stalls: Stalls | null
}

interface Branch {
  readonly queue: Uint8Array[]
  /** Asked for more than there is in the queue. */
  readonly waiting: ((result: Promise<Result>) => void)[]
  dropped: boolean
  /** What it is told once it was dropped: a stalled one must not take this for the body's end. */
  verdict: End
  /** Runs while there is something in the queue. */
  timer: Timer | null
}

type Result = IteratorResult<Uint8Array>
type End = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly error: unknown }

const DONE: End = { kind: 'done' }

/**
 * One body to `count` consumers, each to be read once. It is read once and no faster than the
 * slowest consumer reads, so every one must be read or let go (`return` of its iterator, also when it
 * was never begun). One that was let go holds up nobody; when all were, the body is let go. A failure
 * of the body reaches all at once.
 *
 * With `stalls`, a consumer that leaves a chunk waiting for longer than the limit is dropped, the
 * last one too: nobody else would ever end it.
 */
export function fanOut(
  body: AsyncIterable<Uint8Array>,
  count: number,
  stalls: Stalls | null = null,
): readonly AsyncIterable<Uint8Array>[] {
  const source = body[Symbol.asyncIterator]()
  const branches = Array.from({ length: count }, newBranch)
  const fan: Fan = { source, branches, reading: false, end: null, stalls }
  return branches.map((branch) => {
    const iterator: AsyncIterator<Uint8Array> = {
      next: () => next(fan, branch),
      async return() {
        await drop(fan, branch)
        return { done: true, value: undefined }
      },
    }
    return { [Symbol.asyncIterator]: () => iterator }
  })
}

function newBranch(): Branch {
  return { queue: [], waiting: [], dropped: false, verdict: DONE, timer: null }
}

function next(fan: Fan, branch: Branch): Promise<Result> {
  if (branch.dropped) return told(branch.verdict)
  const chunk = branch.queue.shift()
  watch(fan, branch)
  if (chunk === undefined && fan.end !== null) return told(fan.end)
  const result =
    chunk === undefined
      ? new Promise<Result>((resolve) => branch.waiting.push(resolve))
      : Promise.resolve({ done: false, value: chunk })
  void pump(fan)
  return result
}

/** Reads on while every consumer that is left has room. Never rejects. */
async function pump(fan: Fan): Promise<void> {
  if (fan.reading) return
  fan.reading = true
  try {
    while (fan.end === null && hasRoom(fan)) {
      const read = await fan.source.next()
      if (read.done) finish(fan, DONE)
      else hand(fan, read.value)
    }
  } catch (error) {
    finish(fan, { kind: 'failed', error })
  } finally {
    fan.reading = false
  }
}

function hasRoom({ branches }: Fan): boolean {
  const left = branches.filter(({ dropped }) => !dropped)
  return left.length > 0 && left.every(({ queue }) => queue.length < AHEAD)
}

function hand(fan: Fan, chunk: Uint8Array): void {
  for (const branch of fan.branches) {
    const waiter = branch.waiting.shift()
    if (waiter) waiter(Promise.resolve({ done: false, value: chunk }))
    else if (!branch.dropped) {
      branch.queue.push(chunk)
      if (branch.timer === null) watch(fan, branch)
    }
  }
}

/** Measures anew how long the branch leaves its next chunk waiting, if there is one. */
function watch(fan: Fan, branch: Branch): void {
  branch.timer?.cancel()
  branch.timer = null
  const { stalls } = fan
  if (stalls === null || branch.queue.length === 0) return
  const limit = stalls.limit ?? STALL_LIMIT
  branch.timer = startTimer(limit, () => {
    const error = new TargetUnreachable(`the target took nothing for ${formatDuration(limit)}`)
    branch.verdict = { kind: 'failed', error }
    void drop(fan, branch)
    stalls.onStall(fan.branches.indexOf(branch), error)
  }).unref()
}

function finish(fan: Fan, how: End): void {
  fan.end ??= how
  for (const branch of fan.branches) {
    if (fan.end.kind === 'failed') empty(branch)
    for (const resolve of branch.waiting.splice(0)) resolve(told(fan.end))
  }
}

async function drop(fan: Fan, branch: Branch): Promise<void> {
  if (branch.dropped) return
  branch.dropped = true
  empty(branch)
  for (const resolve of branch.waiting.splice(0)) resolve(told(DONE))
  if (!fan.branches.every(({ dropped }) => dropped)) return void pump(fan)
  if (fan.end !== null) return
  fan.end = DONE
  // What the body still has to say concerns nobody any more.
  await fan.source.return?.().catch(() => {})
}

function empty(branch: Branch): void {
  branch.queue.length = 0
  branch.timer?.cancel()
  branch.timer = null
}

function told(end: End): Promise<Result> {
  return end.kind === 'failed'
    ? Promise.reject(end.error)
    : Promise.resolve({ done: true, value: undefined })
}
