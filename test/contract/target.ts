import { createHash, randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StoredObject, UnfinishedObject } from '../../src/core/observed.ts'
import { ObjectExists, ObjectMissing, Refused } from '../../src/lib/errors.ts'
import type { Target } from '../../src/targets/target.ts'

/** A target to try, and what the suite cannot do through its interface. */
export interface TargetUnderTest extends AsyncDisposable {
  readonly target: Target
  /** The most objects that one answer of a server lists; as of S3 unless told. */
  readonly page?: number
  /** Begins a put in another process and resolves once that was ended by SIGKILL midway. */
  killMidPut(key: string, token: string): Promise<void>
}

/** The laws of `Target`. Every target passes them against its real place; `open` gives an empty one. */
export function targetContract(name: string, open: () => Promise<TargetUnderTest>): void {
  describe(`${name} keeps the contract of a target`, () => {
    let place: TargetUnderTest
    let target: Target
    let tests = 0
    const signal = new AbortController().signal
    /** A prefix of this test alone. */
    const fresh = () => `t${++tests}/`
    const put = (key: string, content: Uint8Array | string, token = 'token-1') =>
      target.put(key, pieces(content), { token }, signal)
    const read = async (key: string, start = 0) => buffer(await target.get(key, start, signal))
    const keys = async (prefix: string) =>
      (await objectsOf(target, prefix, signal)).map(({ key }) => key).sort()

    beforeAll(async () => {
      place = await open()
      target = place.target
    })
    afterAll(() => place[Symbol.asyncDispose]())

    it('is empty before the first put', async () => {
      expect(await keys('')).toEqual([])
      expect(await unfinishedOf(target, '', signal)).toEqual([])
      expect(await target.stat('nothing/here', signal)).toBeNull()
    })

    it('gives back the bytes that were put, and their size', async () => {
      const key = `${fresh()}acme/shop/db.tar.zst`
      const content = randomBytes(100_000)
      const before = Date.now()

      const stored = await put(key, content)

      expect(stored.bytes).toBe(content.length)
      expect(['size', 'etag', 'checksum']).toContain(stored.readback)
      expect((await read(key)).equals(content)).toBe(true)
      const object = await target.stat(key, signal)
      expect(object).toMatchObject({ key, bytes: content.length })
      expect(Math.abs((object?.modifiedAt ?? 0) - before)).toBeLessThan(60_000)
      expect(await objectsOf(target, key, signal)).toEqual([object])
    })

    it('gives the bytes from an offset on, up to the end and beyond it', async () => {
      const key = `${fresh()}object`
      await put(key, '0123456789')

      expect((await read(key, 4)).toString()).toBe('456789')
      expect((await read(key, 9)).toString()).toBe('9')
      expect((await read(key, 10)).toString()).toBe('')
    })

    it('keeps an empty object', async () => {
      const key = `${fresh()}empty`

      expect(await put(key, '')).toMatchObject({ bytes: 0 })

      expect((await read(key)).length).toBe(0)
      expect(await target.stat(key, signal)).toMatchObject({ bytes: 0 })
    })

    it('keeps 20 MB that come in odd chunks', async () => {
      const key = `${fresh()}large`
      const content = randomBytes(20_000_003)
      async function* odd() {
        const sizes = [1, 0, 65_537, 7, 1_048_576, 3_000_001, 4096]
        for (let at = 0, turn = 0; at < content.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          yield content.subarray(at, at + size)
          at += size
        }
      }

      expect(await target.put(key, odd(), { token: 'token-1' }, signal)).toMatchObject({
        bytes: content.length,
      })

      expect(sha256(await read(key))).toBe(sha256(content))
      expect(sha256(await read(key, 12_345_678))).toBe(sha256(content.subarray(12_345_678)))
    })

    it('leaves no object of a body that failed halfway', async () => {
      const prefix = fresh()
      const key = `${prefix}half`
      const broken = new Error('the source broke')
      async function* body() {
        yield randomBytes(3_000_000)
        throw broken
      }

      await expect(target.put(key, body(), { token: 'token-1' }, signal)).rejects.toBe(broken)

      await expectNoObject(prefix, key)
    })

    it('ends a put in time when it is aborted while the body hangs, with the reason', async () => {
      const prefix = fresh()
      const key = `${prefix}aborted`
      const reason = new Error('told to stop')
      const controller = new AbortController()
      async function* body() {
        yield randomBytes(3_000_000)
        queueMicrotask(() => controller.abort(reason))
        await new Promise(() => {})
      }
      const began = performance.now()

      await expect(target.put(key, body(), { token: 'token-1' }, controller.signal)).rejects.toBe(
        reason,
      )

      expect(performance.now() - began).toBeLessThan(5000)
      await expectNoObject(prefix, key)
    })

    it('does nothing under a signal that was aborted before', async () => {
      const prefix = fresh()
      await put(`${prefix}kept`, 'kept')
      const reason = new Error('told to stop')
      const stopped = AbortSignal.abort(reason)

      await expect(target.put(`${prefix}new`, pieces('x'), { token: 't' }, stopped)).rejects.toBe(
        reason,
      )
      await expect(target.get(`${prefix}kept`, 0, stopped)).rejects.toBe(reason)
      await expect(target.stat(`${prefix}kept`, stopped)).rejects.toBe(reason)
      await expect(target.remove([`${prefix}kept`], stopped)).rejects.toBe(reason)
      await expect(objectsOf(target, prefix, stopped)).rejects.toBe(reason)

      expect(await keys(prefix)).toEqual([`${prefix}kept`])
    })

    it('ends a read when it is aborted midway', async () => {
      const key = `${fresh()}long`
      await put(key, randomBytes(8_000_000))
      const reason = new Error('told to stop')
      const controller = new AbortController()

      const reading = (async () => {
        for await (const _ of await target.get(key, 0, controller.signal)) controller.abort(reason)
      })()

      await expect(reading).rejects.toThrow()
    })

    it('keeps an abort that comes before anybody reads for whoever does, and ends no process', async () => {
      const key = `${fresh()}unread`
      await put(key, 'content')
      const controller = new AbortController()
      const reason = new Error('enough')
      const stream = await target.get(key, 0, controller.signal)
      controller.abort(reason)
      // An error that nobody listens to is thrown by now.
      await new Promise((later) => setImmediate(later))
      await expect(buffer(stream)).rejects.toThrow()
    })

    it('never overwrites an object', async () => {
      const prefix = fresh()
      await put(`${prefix}object`, 'old')

      await expect(put(`${prefix}object`, 'new', 'token-2')).rejects.toBeInstanceOf(ObjectExists)

      expect((await read(`${prefix}object`)).toString()).toBe('old')
      expect(await keys(prefix)).toEqual([`${prefix}object`])
      expect(await unfinishedOf(target, prefix, signal)).toEqual([])
    })

    it('lets exactly one of two racing puts of a key win', async () => {
      const prefix = fresh()
      for (let round = 0; round < 5; round++) {
        const key = `${prefix}race-${round}`
        const contents = [randomBytes(300_000), randomBytes(300_000)]

        const ends = await Promise.allSettled(
          contents.map((content, index) => put(key, content, `token-${index}`)),
        )

        const winner = ends.findIndex(({ status }) => status === 'fulfilled')
        const loser = ends[1 - winner]
        expect(winner).toBeGreaterThanOrEqual(0)
        expect(loser).toMatchObject({ status: 'rejected', reason: expect.any(ObjectExists) })
        expect((await read(key)).equals(contents[winner] ?? Buffer.alloc(0))).toBe(true)
      }
      expect(await unfinishedOf(target, prefix, signal)).toEqual([])
    })

    it('lists by prefix, a partial name included, and nothing for one that it does not know', async () => {
      const prefix = fresh()
      const all = ['a', 'ab/c/1', 'ab/c/10', 'ab/d', 'abc', 'b/ab'].map((key) => prefix + key)
      for (const key of all) await put(key, key)

      expect(await keys(prefix)).toEqual(all)
      expect(await keys(`${prefix}ab`)).toEqual(all.slice(1, 5))
      expect(await keys(`${prefix}ab/`)).toEqual(all.slice(1, 4))
      expect(await keys(`${prefix}ab/c/1`)).toEqual(all.slice(1, 3))
      expect(await keys(`${prefix}ab/c/2`)).toEqual([])
      expect(await keys(`${prefix}nothing/like/this`)).toEqual([])
      expect(await keys(`${prefix}a/below-an-object`)).toEqual([])
    })

    it('keeps odd characters of keys', async () => {
      const prefix = fresh()
      const names = [
        'with space',
        'ü ñ 日本',
        'a+b',
        '100%',
        'x#y?z=1&w',
        "it's",
        '.hidden',
        '~',
        'a=b',
      ]
      const odd = names.map((name) => `${prefix}${name}/${name}.tar`).sort()
      for (const key of odd) await put(key, key)

      expect(await keys(prefix)).toEqual(odd)
      for (const key of odd) {
        expect((await read(key)).toString()).toBe(key)
        expect(await target.stat(key, signal)).toMatchObject({ key })
        await target.remove([key], signal)
      }
      expect(await keys(prefix)).toEqual([])
    })

    it('lists more objects than one answer holds, each once', async () => {
      const prefix = fresh()
      const { page = 1000 } = place
      const all = Array.from({ length: page + page / 10 }, (_, n) => `${prefix}many/${n}`).sort()
      const waiting = [...all]
      const worker = async () => {
        for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) await put(key, '')
      }
      await Promise.all(Array.from({ length: 16 }, worker))

      expect(await keys(`${prefix}many/`)).toEqual(all)
      const some = all.filter((key) => key.startsWith(`${prefix}many/10`))
      expect(await keys(`${prefix}many/10`)).toEqual(some)
    })

    it('throws ObjectMissing at once for an object that is not there', async () => {
      const prefix = fresh()
      await put(`${prefix}a/b`, 'x')

      for (const key of ['missing', 'a', 'a/b/c', 'a/c', 'x/y/z']) {
        await expect(target.get(prefix + key, 0, signal)).rejects.toBeInstanceOf(ObjectMissing)
        expect(await target.stat(prefix + key, signal)).toBeNull()
      }
    })

    it('removes an object for good, twice if asked, and no other', async () => {
      const prefix = fresh()
      await put(`${prefix}a/one`, '1')
      await put(`${prefix}a/one.manifest.json`, '1')

      await target.remove([`${prefix}a/one`], signal)
      await target.remove([`${prefix}a/one`], signal)
      await target.remove([`${prefix}never/was`], signal)

      expect(await keys(prefix)).toEqual([`${prefix}a/one.manifest.json`])
      expect(await put(`${prefix}a/one`, 'again')).toMatchObject({ bytes: 5 })
    })

    it('keeps every object that is put while others beside it are removed', async () => {
      const prefix = fresh()
      for (let round = 0; round < 20; round++) {
        await put(`${prefix}shared/folder/old-${round}`, 'old')
        await Promise.all([
          target.remove([`${prefix}shared/folder/old-${round}`], signal),
          put(`${prefix}shared/folder/new-${round}`, 'new'),
        ])
        await target.remove([`${prefix}shared/folder/new-${round}`], signal)
      }

      expect(await keys(prefix)).toEqual([])
    })

    it('tells what a killed process left unfinished, and takes it back, twice if asked', async () => {
      const prefix = fresh()
      const key = `${prefix}acme/killed.tar.zst`
      const token = 'Attempt_1.of-2'

      await place.killMidPut(key, token)

      expect(await keys(prefix)).toEqual([])
      expect(await target.stat(key, signal)).toBeNull()
      const unfinished = await unfinishedOf(target, prefix, signal)
      expect(unfinished).toMatchObject([{ key, token, bytes: expect.any(Number) }])
      expect(await unfinishedOf(target, `${prefix}acme/kil`, signal)).toEqual(unfinished)
      expect(await unfinishedOf(target, `${prefix}acme/other`, signal)).toEqual([])

      for (let time = 0; time < 2; time++) await target.abort(first(unfinished), signal)

      expect(await unfinishedOf(target, prefix, signal)).toEqual([])
      expect(await put(key, 'again')).toMatchObject({ bytes: 5 })
    })

    it('refuses keys that would leave it', async () => {
      const escapes = ['', '/', '/etc/x', '../x', 'a/../../x', 'a/..', 'a//b', 'a/', './a', 'a/./b']
      for (const key of [...escapes, 'a\0b', '..', '.']) {
        await expect(put(key, 'x'), key).rejects.toBeInstanceOf(Refused)
        await expect(target.get(key, 0, signal), key).rejects.toBeInstanceOf(Refused)
        await expect(target.stat(key, signal), key).rejects.toBeInstanceOf(Refused)
        await expect(target.remove([key], signal), key).rejects.toBeInstanceOf(Refused)
        const unfinished = { key, token: 't', bytes: 0 } as UnfinishedObject
        await expect(target.abort(unfinished, signal), key).rejects.toBeInstanceOf(Refused)
      }
      for (const prefix of ['../', '/etc/', 'a/../../b', 'a//']) {
        await expect(objectsOf(target, prefix, signal)).rejects.toBeInstanceOf(Refused)
      }
    })

    it('lets go of a body that it does not read', async () => {
      const key = `${fresh()}object`
      await put(key, 'old')
      let released = false
      const body: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: Buffer.from('x') }),
          return: async () => {
            released = true
            return { done: true, value: undefined }
          },
        }),
      }

      await expect(target.put(key, body, { token: 'token-2' }, signal)).rejects.toBeInstanceOf(
        ObjectExists,
      )

      expect(released).toBe(true)
    })

    it('tells a free space above zero, or that it does not know', async () => {
      const free = await target.free(signal)
      if (free !== null) expect(free).toBeGreaterThan(0)
    })

    async function expectNoObject(prefix: string, key: string): Promise<void> {
      expect(await keys(prefix)).toEqual([])
      expect(await target.stat(key, signal)).toBeNull()
      await expect(target.get(key, 0, signal)).rejects.toBeInstanceOf(ObjectMissing)
      const unfinished = await unfinishedOf(target, prefix, signal)
      for (const one of unfinished) expect(one).toMatchObject({ key, token: 'token-1' })
    }
  })
}

/** Every finished object under `prefix`. */
export async function objectsOf(
  target: Target,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly StoredObject[]> {
  return (await collect(target.list(prefix, signal))).flatMap(({ objects }) => objects)
}

/** Everything under `prefix` that was begun and is neither finished nor taken back. */
export async function unfinishedOf(
  target: Target,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly UnfinishedObject[]> {
  return (await collect(target.list(prefix, signal))).flatMap(({ unfinished }) => unfinished)
}

async function* pieces(content: Uint8Array | string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function first<T>(items: readonly T[]): T {
  const [item] = items
  if (item === undefined) throw new Error('nothing is there')
  return item
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
