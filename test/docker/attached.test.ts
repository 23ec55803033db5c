import { EventEmitter, once } from 'node:events'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Attached, type Attachment, attach, type Standing } from '../../src/docker/attached.ts'
import { PACE } from '../../src/docker/ending.ts'

const { signal } = new AbortController()
const options = { timeLimit: null, signal }
const HEADER = 8
const PIECE = 64 * 1024

/** One frame of output. */
function frame(): Buffer {
  const bytes = Buffer.alloc(PIECE, 1)
  bytes.writeUInt32BE(PIECE - HEADER, 4)
  return bytes
}

/**
 * A connection that brings so many frames, each when `turn` resolves, and then stays open. Like a
 * socket it reads nothing ahead while it is paused, and takes a moment to begin again.
 */
function wire(frames: number, turn: (sent: number) => Promise<unknown>): Duplex {
  let sent = 0
  return new Duplex({
    read() {
      if (sent === frames) return
      void turn(sent).then(async () => {
        if (this.isPaused()) await once(this, 'resume')
        await new Promise(setImmediate)
        sent++
        this.push(frame())
      })
    },
    write: (_chunk, _encoding, done) => done(),
  })
}

const ENDED: Standing = { isRunning: false, code: 0 }

/** A program with input at the other end of a connection. */
function program(connection: Duplex, standing: () => Promise<Standing>): Attachment {
  return { name: 'cat in app', connection, hasStdin: true, standing, kill: async () => {} }
}

/** How much it gave, to a reader that waits after each piece, and its exit code. */
async function outcome({ stdout, exit }: Attached, wait: (pieces: number) => Promise<unknown>) {
  let bytes = 0
  let pieces = 0
  for await (const piece of stdout as AsyncIterable<Buffer>) {
    bytes += piece.length
    await wait(++pieces)
  }
  return { bytes, code: (await exit).code }
}

describe('a program that has ended and left input unread', () => {
  const frames = 64
  const whole = { bytes: frames * (PIECE - HEADER), code: 0 }
  const pace = { ...PACE, lookEvery: 2, quietLooks: 3 }

  it('gives all its output to a reader that rests for longer than the quiet', async () => {
    const connection = wire(frames, async () => {})
    const attached = attach(
      program(connection, async () => ENDED),
      options,
      pace,
    )
    const rest = (pieces: number) => sleep(pieces % 16 === 0 ? 200 : 0)
    expect(await outcome(attached, rest)).toEqual(whole)
  })

  it('gives all of it though a look finds a connection that only now flows again', async () => {
    const connection = wire(frames, async () => {})
    let looks = 0
    const standing = async () => {
      // The one before it finds the pause.
      if (++looks % 2 === 0 && connection.isPaused()) await once(connection, 'resume')
      return ENDED
    }
    const attached = attach(program(connection, standing), options, pace)
    expect(await outcome(attached, () => sleep(10))).toEqual(whole)
  })

  it('gives all of it though the network pauses for as many looks as may be quiet', async () => {
    const looks = new EventEmitter()
    const standing = async () => {
      looks.emit('look')
      return ENDED
    }
    const connection = wire(frames, async (sent) => {
      if (sent % 16 !== 15) return
      for (let look = 0; look < pace.quietLooks; look++) await once(looks, 'look')
    })
    const attached = attach(program(connection, standing), options, pace)
    expect(await outcome(attached, async () => {})).toEqual(whole)
  })
})
