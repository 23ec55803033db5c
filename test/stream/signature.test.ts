import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Bytes, Signing } from '../../src/core/model.ts'
import { ConfigError } from '../../src/lib/errors.ts'
import { readManifest, signManifest } from '../../src/stream/signature.ts'
import { at, backup, copy, desired, job, target } from '../core/plan-nouns.ts'
import { createWorld, manifestOf } from '../core/plan-world.ts'

const shop = job('shop')
const row = backup('b1', shop, at('2026-11-20T02:00:00Z'))
const world = createWorld(desired([target('nas')], [shop]), at('2026-11-20T02:00:01Z'))
const manifest = manifestOf(
  world,
  row,
  copy(row, 'nas', 'system/shop/files/x.tar.zst'),
  1000 as Bytes,
)

let folder = ''
const path = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-signature-'))
  for (const name of ['a', 'b']) {
    const pair = generateKeyPairSync('ed25519')
    await writeFile(path(`${name}.pem`), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(path(`${name}.pub`), pair.publicKey.export({ type: 'spki', format: 'pem' }))
    await writeFile(path(`${name}.secret`), `${name.repeat(32)}\n`)
  }
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(path('rsa.pub'), rsa.publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(path('short.secret'), 'short\n')
})
afterAll(() => rm(folder, { recursive: true }))

const hmac = (name: string): Signing => ({ kind: 'hmac', keyFile: path(`${name}.secret`) })
const pair = (name: string): Signing => ({
  kind: 'ed25519',
  privateKeyFile: path(`${name}.pem`),
  publicKeyFile: path(`${name}.pub`),
})

describe.each([
  ['hmac', hmac],
  ['ed25519', pair],
] as const)('a manifest signed with %s', (_kind, signing) => {
  it('is ours under the same key', async () => {
    const text = await signManifest(manifest, signing('a'))
    expect(await readManifest(text, signing('a'), 'default')).toEqual({ kind: 'ours', manifest })
  })

  it('is ours where no key is configured', async () => {
    const text = await signManifest(manifest, signing('a'))
    expect(await readManifest(text, null, 'default')).toEqual({ kind: 'ours', manifest })
  })

  it('is foreign under another key', async () => {
    const text = await signManifest(manifest, signing('a'))
    const found = await readManifest(text, signing('b'), 'default')
    expect(found).toEqual({ kind: 'foreign', why: 'its signature does not fit the configured key' })
  })

  it('is foreign once a single value was changed, added or taken away', async () => {
    const text = await signManifest(manifest, signing('a'))
    const { warnings: _, ...less } = JSON.parse(text)
    for (const forged of [
      text.replace('"bytes": 1000', '"bytes": 1001'),
      text.replace('"version": 1,', '"version": 1, "extra": true,'),
      text.replace('"bytes": 1000', '"bytes": 1000, "bytes": 1001'),
      JSON.stringify(less),
    ]) {
      expect(forged).not.toBe(text)
      expect((await readManifest(forged, signing('a'), 'default')).kind).toBe('foreign')
    }
  })

  it('is foreign unsigned, or signed in another way, once a key is configured', async () => {
    const unsigned = await signManifest(manifest, null)
    expect(await readManifest(unsigned, signing('a'), 'default')).toMatchObject({ kind: 'foreign' })
    const other = await signManifest(manifest, signing === hmac ? pair('a') : hmac('a'))
    expect(await readManifest(other, signing('a'), 'default')).toMatchObject({
      why: expect.stringMatching(/is signed with .*, and .* is configured/),
    })
  })
})

describe('reading a manifest', () => {
  it('calls one of another deployment foreign, unless any will do', async () => {
    const text = await signManifest(manifest, null)
    const found = await readManifest(text, null, 'staging')
    expect(found).toEqual({ kind: 'foreign', why: 'it belongs to deployment default' })
    expect((await readManifest(text, null, null)).kind).toBe('ours')
  })

  it('calls one that it cannot understand foreign, and says why', async () => {
    expect(await readManifest('{', null, 'default')).toMatchObject({
      kind: 'foreign',
      why: expect.stringMatching(/no JSON/),
    })
  })
})

describe('a key that cannot serve', () => {
  it.each([
    ['is not there', (): Signing => hmac('none'), /cannot be read/],
    ['is too short', (): Signing => hmac('short'), /16 characters/],
    [
      'is of another kind',
      (): Signing => ({ kind: 'ed25519', privateKeyFile: null, publicKeyFile: path('rsa.pub') }),
      /type rsa, not ed25519/,
    ],
    [
      'is no key',
      (): Signing => ({ kind: 'ed25519', privateKeyFile: null, publicKeyFile: path('a.secret') }),
      /no key in PEM/,
    ],
  ])('stops the reading when it %s, and is not printed', async (_what, signing, why) => {
    const text = await signManifest(manifest, null)
    const reading = readManifest(text, signing(), 'default')
    await expect(reading).rejects.toThrow(ConfigError)
    await expect(reading).rejects.toThrow(why)
    await expect(reading).rejects.not.toThrow(/short\n|aaaa/)
  })

  it('signs nothing with the public half alone', async () => {
    const half: Signing = { kind: 'ed25519', privateKeyFile: null, publicKeyFile: path('a.pub') }
    await expect(signManifest(manifest, half)).rejects.toThrow(/public key/)
  })
})
