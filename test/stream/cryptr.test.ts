import { createSecretKey, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CryptrEncryption, CryptrKey } from '../../src/core/model.ts'
import { ArchiveDamaged, CannotDecrypt, ConfigError } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { extensionOf, layersOf } from '../../src/stream/archive.ts'
import { cryptrDecrypt, cryptrNonces } from '../../src/stream/cryptr.ts'
import { encryptionOf, type Identity, loadIdentities } from '../../src/stream/keys.ts'
import { layersOfName, peelLayers } from '../../src/stream/layers.ts'
import { reseal } from '../../src/stream/resealed.ts'
import { seal } from '../../src/stream/seal.ts'
import { chunkOpener, chunkSealer } from '../../src/stream/sealed-chunks.ts'
import { readThrough, unseal } from '../../src/stream/unseal.ts'
import { cryptrEncrypt } from '../support/sealing.ts'
import { collect, folder, inChunks, mixed, never, pair, plain, sha256 } from './support.ts'

const at = folder()
const CHUNK = 128 * 1024
const TAG = 16

/** The vectors of the seed systems: key 00 01 … 1f, prefix 01 … 07. */
const BYTES = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
const KEY: CryptrKey = { id: 'testkey1', key: new Secret(BYTES.toString('base64')) }
const PREFIX = Buffer.from([1, 2, 3, 4, 5, 6, 7])
const HELLO =
  '0101000e0080746573746b657931010203040506072ad2755692b63b3418eef76be5dcf2397a14b2293023b27cc889b81940'
const HEADER = 14 + PREFIX.length

const identityOf = ({ id, key }: CryptrKey): Identity => ({ kind: 'cryptr', id, secret: key })
const fresh = (id: string): CryptrKey => ({
  id,
  key: new Secret(randomBytes(32).toString('base64')),
})
const close = (bytes: Uint8Array, key = KEY, ...sizes: number[]) =>
  collect(cryptrEncrypt(key)(inChunks(bytes, ...sizes)))
const open = (bytes: Uint8Array, keys: readonly Identity[] = [identityOf(KEY)], size = 70_000) =>
  collect(cryptrDecrypt(keys, never)(inChunks(bytes, size)))
const failure = (bytes: Uint8Array, keys?: readonly Identity[]) =>
  open(bytes, keys).then(
    (opened) => opened,
    (error: unknown) => error,
  )

describe('cryptr', () => {
  it('writes and reads the very bytes that Hiqlite does', async () => {
    const sealed = await collect(cryptrEncrypt(KEY, PREFIX)(inChunks(Buffer.from('hello hiqlite'))))
    expect(sealed.toString('hex')).toBe(HELLO)
    expect((await open(Buffer.from(HELLO, 'hex'))).toString()).toBe('hello hiqlite')

    const bytes = Buffer.from(Array.from({ length: 262_149 }, (_, index) => index % 251))
    expect(sha256(bytes)).toBe('f5b34cb5a0115608cc99636dead56147040c85b3e96712ff2e0363afe7d3744c')
    const long = await collect(cryptrEncrypt(KEY, PREFIX)(inChunks(bytes, 10_000)))
    expect(long.length).toBe(262_218)
    expect(sha256(long)).toBe('2014d39d160b73fe72431ab978336af1b4b4034d1b0a6e9ffbad02cac8cf5c8e')
    expect((await open(long)).equals(bytes)).toBe(true)
  })

  it.each([
    [
      `${'A'.repeat(16)}${'B'.repeat(16)}CC`,
      '9df3f0e6d46f891ed527d750962a6ad7a15756b4f0489556f39dad06a81995a7' +
        'a658221506bc7bd1fdaaa8df68a6ecbc29242d59fcde3b01495290834b80abed' +
        'db518a4763446acf42c76c038157e23e602a',
    ],
    ['', 'c8970b0821e15e2815e034d930ef2a40'],
  ])('counts chunks and marks the last as its cipher does: %j', (text, hex) => {
    const key = createSecretKey(BYTES)
    const chunking = () => ({ size: 16, nonce: cryptrNonces(PREFIX) })
    const sealed: Uint8Array[] = []
    const sealer = chunkSealer(chunking(), key, (bytes) => sealed.push(bytes))
    sealer.push(Buffer.from(text))
    sealer.end()
    expect(Buffer.concat(sealed).toString('hex')).toBe(hex)
    const opened: Uint8Array[] = []
    const opener = chunkOpener(chunking(), [key], (bytes) => opened.push(bytes))
    opener.push(Buffer.from(hex, 'hex'))
    opener.end()
    expect(Buffer.concat(opened).toString()).toBe(text)
  })

  it('gives the same bytes back however they are cut, in the size that is told before', async () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 3 * CHUNK + 5 }),
      fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK),
    )
    const cut = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300_000 }))
    await fc.assert(
      fc.asyncProperty(
        size,
        fc.array(cut, { minLength: 1, maxLength: 4 }),
        cut,
        async (length, ins, out) => {
          const bytes = randomBytes(length)
          const sealed = await close(bytes, KEY, ...ins)
          expect(sealed.length).toBe(HEADER + length + TAG * Math.max(1, Math.ceil(length / CHUNK)))
          expect((await open(sealed, undefined, out)).equals(bytes)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('reads chunks of the sizes that its header may tell, and no others', async () => {
    const bytes = randomBytes(5000)
    const body: Uint8Array[] = []
    const chunking = { size: 1024, nonce: cryptrNonces(PREFIX) }
    const sealer = chunkSealer(chunking, createSecretKey(BYTES), (part) => body.push(part))
    sealer.push(bytes)
    sealer.end()
    const header = Buffer.from(HELLO, 'hex').subarray(0, HEADER)
    header.writeUInt16BE(1, 4)
    expect((await open(Buffer.concat([header, ...body]))).equals(bytes)).toBe(true)
    for (const kib of [0, 1025, 65_535]) {
      header.writeUInt16BE(kib, 4)
      expect(await failure(Buffer.concat([header, ...body]))).toBeInstanceOf(ArchiveDamaged)
    }
  })
})

describe('a stream of cryptr that is not as it was written', () => {
  const bytes = randomBytes(2 * CHUNK + 100)
  const sealed = close(bytes)
  const C = CHUNK + TAG

  it('never ends well when cut off, wherever that is', async () => {
    const whole = await sealed
    const cut = fc.oneof(
      fc.integer({ min: 0, max: whole.length - 1 }),
      fc.constantFrom(0, 5, 6, HEADER - 1, HEADER, HEADER + TAG, HEADER + C, HEADER + 2 * C),
    )
    await fc.assert(
      fc.asyncProperty(cut, async (length) => {
        expect(await failure(whole.subarray(0, length))).toBeInstanceOf(ArchiveDamaged)
      }),
      { numRuns: 80 },
    )
    const small = await close(randomBytes(40))
    for (let length = 0; length < small.length; length++) {
      expect(await failure(small.subarray(0, length))).toBeInstanceOf(ArchiveDamaged)
    }
  })

  it('never gives other bytes when one is flipped: in its chunks it is damaged', async () => {
    const whole = await sealed
    const place = fc.integer({ min: HEADER, max: whole.length - 1 })
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 0, max: 7 }), async (index, bit) => {
        const changed = Buffer.from(whole)
        changed[index] = (changed[index] ?? 0) ^ (1 << bit)
        expect(await failure(changed)).toBeInstanceOf(ArchiveDamaged)
      }),
      { numRuns: 60 },
    )
  })

  it('never gives other bytes when its header is flipped, which nothing authenticates', async () => {
    const whole = await sealed
    for (let bit = 0; bit < HEADER * 8; bit++) {
      const changed = Buffer.from(whole)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const told = await failure(changed)
      expect(told instanceof ArchiveDamaged || told instanceof CannotDecrypt, `bit ${bit}`).toBe(
        true,
      )
    }
  })

  it('is damaged with its chunks swapped, doubled, dropped or followed by more', async () => {
    const whole = await sealed
    const head = whole.subarray(0, HEADER)
    const chunk = (index: number) => whole.subarray(HEADER + index * C, HEADER + (index + 1) * C)
    for (const order of [[1, 0, 2], [0, 0, 1, 2], [0, 2], [1, 2], [2], [0, 1, 2, 2], [0, 1]]) {
      const changed = Buffer.concat([head, ...order.map(chunk)])
      expect(await failure(changed), order.join()).toBeInstanceOf(ArchiveDamaged)
    }
    const longer = Buffer.concat([whole, Buffer.from([0])])
    expect(await failure(longer)).toBeInstanceOf(ArchiveDamaged)
  })

  it('is damaged under the header of another', async () => {
    const one = await sealed
    const other = await close(randomBytes(1000))
    const crossed = Buffer.concat([other.subarray(0, HEADER), one.subarray(HEADER)])
    expect(await failure(crossed)).toBeInstanceOf(ArchiveDamaged)
  })

  it('is damaged when it ends with an empty chunk, as one does whose writer could not read on', async () => {
    const short: Uint8Array[] = [Buffer.from(HELLO, 'hex').subarray(0, HEADER)]
    const nonce = cryptrNonces(PREFIX)
    const key = createSecretKey(BYTES)
    const first = chunkSealer({ size: CHUNK, nonce: () => nonce('inner') }, key, (part) =>
      short.push(part),
    )
    first.push(randomBytes(CHUNK))
    first.end()
    const last = chunkSealer({ size: CHUNK, nonce: () => nonce('last') }, key, (part) =>
      short.push(part),
    )
    last.end()
    const error = await failure(Buffer.concat(short))
    expect(error).toBeInstanceOf(ArchiveDamaged)
    expect(String(error)).toMatch(/ends with an empty chunk/)
  })
})

describe('the keys of cryptr', () => {
  it('are told apart by the id in the header, and found by trying where two share it', async () => {
    const bytes = randomBytes(300_000)
    const [one, two, third] = [fresh('k1'), fresh('k1'), fresh('k:2')]
    const keys = [one, two, third].map(identityOf)
    for (const key of [one, two, third]) {
      expect((await open(await close(bytes, key), keys)).equals(bytes)).toBe(true)
    }
  })

  it('that are missing are named, with those that there are, and never shown', async () => {
    const sealed = await close(Buffer.from('x'), fresh('old-key'))
    const keys = [fresh('k1'), fresh('k2')]
    const error = await failure(sealed, [...keys.map(identityOf), (await pair()).identity])
    expect(error).toBeInstanceOf(CannotDecrypt)
    expect(String(error)).toBe(
      "CannotDecrypt: the archive is encrypted with cryptr's key old-key, and the configured ones are k1, k2",
    )
    expect(await failure(sealed, [])).toMatchObject({
      message: expect.stringMatching(/old-key, and no key of cryptr is configured/),
      hint: expect.stringMatching(/old-key\//),
    })
    for (const { key } of keys) expect(JSON.stringify(error)).not.toContain(key.reveal())
  })

  it('that had the same id but are others say that they may be', async () => {
    const error = await failure(await close(randomBytes(10), fresh('k1')), [
      identityOf(fresh('k1')),
    ])
    expect(error).toBeInstanceOf(ArchiveDamaged)
    expect(error).toMatchObject({ hint: expect.stringMatching(/not the one that had this id/) })
  })

  it('do not open what was made with a password, which is said', async () => {
    const id = 'password$32768$4$4'
    const head = Buffer.from([1, 1, 0, 6 + id.length, 0, 128])
    const stream = Buffer.concat([head, Buffer.from(id), randomBytes(50)])
    const error = await failure(stream)
    expect(error).toBeInstanceOf(CannotDecrypt)
    expect(String(error)).toMatch(/with a password of cryptr, not with a key/)
    await expect(peelLayers(inChunks(stream), 'x', [], never)).rejects.toBeInstanceOf(CannotDecrypt)
  })

  it('become what a job seals and opens with, the active one in the manifest', async () => {
    const keys = [fresh('k1'), fresh('k2')]
    const block: CryptrEncryption = { scheme: 'cryptr', keys, active: 'k2' }
    expect(await encryptionOf(block)).toEqual({
      keys: { kind: 'cryptr', key: keys[1] },
      manifest: { scheme: 'cryptr', keyId: 'k2' },
    })
    await expect(encryptionOf({ ...block, active: 'k3' })).rejects.toBeInstanceOf(ConfigError)
    const loaded = await loadIdentities([null, block, { ...block, active: 'k1' }])
    expect(loaded).toEqual(keys.map(identityOf))
  })
})

describe('cryptr as a layer', () => {
  it('closes and opens an archive around its compression, and names it', async () => {
    const bytes = mixed(1_000_000)
    await writeFile(at('content'), bytes)
    const recipe = {
      ...plain,
      compression: { kind: 'zstd', level: 3 },
      encryption: { kind: 'cryptr', key: KEY },
    } as const
    const sealing = seal({ kind: 'file', path: at('content') }, recipe, async () => {}, never)
    const body = await collect(sealing.body)
    expect(sealing.layers).toEqual(['raw', 'zstd', 'cryptr'])
    const opening = { layers: sealing.layers, keys: [identityOf(KEY)] }
    const sink = { kind: 'file', path: at('back') } as const
    await unseal(inChunks(body, 99_999), opening, sink, never)
    const read = await readThrough(inChunks(body, 99_999), opening, never)
    expect(read.content).toEqual({ bytes: bytes.length, sha256: sha256(bytes) })
    const cut = inChunks(body.subarray(0, -1), 99_999)
    const failed = unseal(cut, opening, { kind: 'file', path: at('cut') }, never)
    await expect(failed).rejects.toBeInstanceOf(ArchiveDamaged)
    const layers = layersOf('tar', recipe.compression, {
      scheme: 'cryptr',
      keys: [KEY],
      active: KEY.id,
    })
    expect(extensionOf(layers, '.tar')).toBe('.tar.zst.cryptr')
    expect(layersOfName('x.tar.zst.cryptr')).toEqual(['tar', 'zstd', 'cryptr'])
  })

  it('closes what was sealed before for one target among several', async () => {
    const bytes = randomBytes(300_000)
    const closed = reseal(inChunks(bytes, 70_000), { kind: 'cryptr', key: KEY }, never)
    const body = await collect(closed.body)
    expect(closed.reading()).toEqual({ bytes: body.length, sha256: sha256(body) })
    expect((await open(body)).equals(bytes)).toBe(true)
  })

  it('is seen by its header, whatever the name, and nothing else is taken for it', async () => {
    const peel = (bytes: Uint8Array, name = 'backup_node_1_1700000000.sqlite') =>
      peelLayers(inChunks(bytes, 100), name, [identityOf(KEY)], never)
    const database = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(4080)])
    expect(await peel(await close(database))).toEqual(['sqlite', 'cryptr'])
    expect(await peel(database)).toEqual(['sqlite'])
    expect(await peel(await close(zstdCompressSync(database)), 'x')).toEqual([
      'sqlite',
      'zstd',
      'cryptr',
    ])
    const hello = Buffer.from(HELLO, 'hex')
    for (const [index, value] of [
      [0, 2],
      [1, 2],
      [2, 1],
      [3, 7],
      [3, 27],
      [4, 255],
      [5, 0],
      [6, 0x20],
    ] as const) {
      const other = Buffer.from(hello)
      other[index] = value
      expect(await peel(other, 'x'), `${index} ${value}`).toBeNull()
    }
  })
})
