import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often a read that was cut is taken up again without having moved on by this much, */
const RESUMES = 5
const MOVED = 64 * 1024
/** and after how many milliseconds, doubled each time. */
const PAUSE = 100
/** What is ready for whoever reads. */
const AHEAD = 1024 * 1024
/** How often a stall is looked for, in milliseconds. */
const LOOK = 500

/** An answer of which the beginning is there. */
export interface Begun {
  readonly body: Readable
  /** Offset of its first byte in the object. */
  readonly start: number
  /** How large the object is; null where that was not told. */
  readonly total: number | null
  /** Milliseconds that no byte may come for while somebody waits. */
  readonly stall: number
}

/** How to go on when an answer breaks off. */
export interface Ways {
  /** The same object from `at` on. Rejects when it cannot be had. */
  reopen(at: number): Promise<Readable>
  /** What a read that broke off too often ends with. */
  giveUp(error: unknown): Error
}

/** A read under way. */
interface Flow {
  readonly stream: Readable
  readonly ways: Ways
  readonly total: number | null
  current: Readable
  /** Offset of the next byte. */
  at: number
  /** Where it was taken up last, and how often in a row without having moved on since. */
  resumedAt: number
  resumes: number
  /** Whether somebody waits for bytes, */
  isWanted: boolean
  /** and since when none came. */
  heardAt: number
}

/**
 * The bytes of an answer; cut or stalled it goes on where it was, for ever as long as it moves. They
 * pass as they come, without a promise for each piece.
 */
export function resuming({ body, start, total, stall }: Begun, ways: Ways): Readable {
  const stream = new Readable({
    highWaterMark: AHEAD,
    read() {
      if (!flow.isWanted) flow.heardAt = performance.now()
      flow.isWanted = true
      flow.current.resume()
    },
    destroy(error, done) {
      clearInterval(watch)
      flow.current.destroy()
      done(error)
    },
  })
  const flow: Flow = {
    ...{ stream, ways, total, current: body, at: start, resumedAt: start, resumes: 0 },
    isWanted: false,
    heardAt: performance.now(),
  }
  const look = () => {
    const isStalled = flow.isWanted && performance.now() - flow.heardAt > stall
    if (isStalled) flow.current.destroy(stalled(stall))
  }
  const watch = setInterval(look, Math.min(LOOK, stall)).unref()
  attach(flow, body)
  return stream
}

function attach(flow: Flow, answer: Readable): void {
  flow.current = answer
  flow.heardAt = performance.now()
  let isOver = false
  const broke = (error: unknown) => {
    if (!isOver) void takeUp(flow, error)
    isOver = true
  }
  answer
    .on('data', (piece: Uint8Array) => {
      flow.at += piece.byteLength
      flow.heardAt = performance.now()
      if (flow.stream.push(piece)) return
      flow.isWanted = false
      answer.pause()
    })
    .on('error', broke)
    .once('end', () => {
      if (flow.total !== null && flow.at < flow.total) return broke(new Error(EARLY))
      isOver = true
      flow.stream.push(null)
    })
    .once('close', () => broke(new Error(EARLY)))
  if (!flow.isWanted) answer.pause()
}

const EARLY = 'the connection ended early'

async function takeUp(flow: Flow, error: unknown): Promise<void> {
  const { stream, ways } = flow
  if (stream.destroyed) return
  if (flow.at === flow.total) return void stream.push(null)
  if (flow.at - flow.resumedAt >= MOVED) flow.resumes = 0
  if (flow.resumes === RESUMES) return void stream.destroy(ways.giveUp(error))
  try {
    await sleep(PAUSE * 2 ** flow.resumes++)
    if (stream.destroyed) return
    flow.resumedAt = flow.at
    const next = await ways.reopen(flow.at)
    if (stream.destroyed) next.destroy()
    else attach(flow, next)
  } catch (failure) {
    stream.destroy(failure instanceof Error ? failure : ways.giveUp(failure))
  }
}

function stalled(stall: number): Error {
  const error = new Error(`no byte came for ${stall / 1000} s`)
  error.name = 'TimeoutError'
  return error
}
