import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { pour, writeAll } from '../../src/platform/pour.ts'

const never = new AbortController().signal
const nothing = async () => {}

describe('pour', () => {
  it('hands on every byte in order, in batches, and tells how many they were', async () => {
    const written: Uint8Array[] = []
    const sizes: number[] = []
    async function* body() {
      for (let piece = 0; piece < 5000; piece++) yield Buffer.from(`${piece},`.repeat(100))
    }

    const total = await pour(
      body(),
      async (batch) => {
        written.push(...batch)
        sizes.push(batch.length)
      },
      never,
    )

    const expected = Array.from({ length: 5000 }, (_, piece) => `${piece},`.repeat(100)).join('')
    expect(Buffer.concat(written).toString()).toBe(expected)
    expect(total).toBe(expected.length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024)
    expect(sizes.length).toBeLessThan(10)
  })

  it('never has two writes under way, nor reads on while two batches wait', async () => {
    let under = 0
    let worst = 0
    let given = 0
    let ahead = 0
    let written = 0
    async function* body() {
      for (; given < 40; given++) {
        ahead = Math.max(ahead, given - written)
        yield Buffer.alloc(1024 * 1024)
      }
    }

    await pour(
      body(),
      async (batch) => {
        worst = Math.max(worst, ++under)
        await new Promise((resolve) => setImmediate(resolve))
        under--
        written += batch.length
      },
      never,
    )

    expect(worst).toBe(1)
    expect(ahead).toBeLessThanOrEqual(2)
    expect(written).toBe(40)
  })

  it('fails with the write’s error and lets go of the body', async () => {
    const body = new PassThrough()
    body.write(Buffer.alloc(3 * 1024 * 1024))
    const full = new Error('full')

    await expect(pour(body, () => Promise.reject(full), never)).rejects.toBe(full)

    expect(body.destroyed).toBe(true)
  })

  it('fails at once with the signal’s reason while the body hangs, and lets go of it', async () => {
    const body = new PassThrough()
    const controller = new AbortController()
    const reason = new Error('stop')
    const poured = pour(body, nothing, controller.signal)

    controller.abort(reason)

    await expect(poured).rejects.toBe(reason)
    expect(body.destroyed).toBe(true)
    await expect(pour(new PassThrough(), nothing, controller.signal)).rejects.toBe(reason)
  })

  it('fails at once with the signal’s reason while a write hangs', async () => {
    const controller = new AbortController()
    const body = new PassThrough()
    body.end(Buffer.alloc(3 * 1024 * 1024))
    const reason = new Error('stop')
    const hangs = () => {
      controller.abort(reason)
      return new Promise<void>(() => {})
    }

    await expect(pour(body, hangs, controller.signal)).rejects.toBe(reason)
  })

  it('ends no sooner than its last write', async () => {
    let release = () => {}
    let ended = false
    async function* body() {
      yield Buffer.from('x')
    }
    const write = () => new Promise<void>((resolve) => (release = resolve))

    const poured = pour(body(), write, never).then(() => (ended = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(ended).toBe(false)
    release()

    expect(await poured).toBe(true)
  })
})

describe('writeAll', () => {
  it('goes on where the system stopped in the midst of a batch', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-pour-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'file')
    const pieces = ['ab', '', 'cdef', 'g', 'hij'].map((text) => Buffer.from(text))
    await using file = await open(path, 'wx')
    const whole = file.writev.bind(file)
    // A disk takes less than asked when it is about to be full: here never more than 3 bytes.
    file.writev = (async (batch: readonly Uint8Array[]) =>
      whole([Buffer.concat(batch).subarray(0, 3)])) as typeof file.writev

    await writeAll(file, pieces)

    expect(await readFile(path, 'utf8')).toBe('abcdefghij')
  })
})
