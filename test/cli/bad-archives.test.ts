import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { copyFile, open, rm, truncate } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { changeManifest, forge, manifestOf } from '../support/forge.ts'
import { filesConfig, makeWorkspace, type Ran, type Workspace } from '../support/holdfast.ts'
import { tarOf } from '../support/tars.ts'

/** Changes one byte in the middle of a file. */
async function flip(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, size >> 1)
  await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, size >> 1)
}

function expectFailure(ran: Ran, code: number, said: RegExp, hint: RegExp): void {
  expect(ran.stderr).toMatch(said)
  expect(ran.stderr).toMatch(new RegExp(`hint: ${hint.source}`))
  expect(ran.code).toBe(code)
}

describe('an archive that is not what was written', () => {
  let work: Workspace
  let key = ''
  const archive = () => work.at('shelf', key)
  const manifest = () => work.at('shelf', `${key}.manifest.json`)

  beforeAll(async () => {
    work = await makeWorkspace(filesConfig())
    await work.write({ 'live/a': 'as it is', 'live/noise': randomBytes(300_000) })
    await work.ok(['backup', 'create'])
    key = (await work.archives('shelf'))[0] ?? ''
    await copyFile(archive(), work.at('sound'))
    await copyFile(manifest(), work.at('sound.manifest.json'))
    await work.write({ 'live/a': 'changed since' })
  })
  afterEach(() => mend())
  afterAll(() => work[Symbol.asyncDispose]())

  /** Restore and verify are refused with the live data as it is, and the mended archive is sound. */
  async function expectRefused(codes: readonly [number, number], said: RegExp): Promise<void> {
    const restore = await work.run(['restore', 'files', '--yes'])
    expectFailure(restore, codes[0], said, /.*holdfast backup/)
    const verify = await work.run(['backup', 'verify', 'files', '--json'])
    expect(verify.code).toBe(codes[1])
    const [row] = verify.document.verified
    expect(row).toMatchObject({ ok: false, storagePath: key, target: 'shelf' })
    expect(row.error.message).toMatch(said)
    expect(await work.read('live', 'a')).toBe('changed since')
    expect(Object.keys(await work.files()).filter((name) => /holdfast-|^out/.test(name))).toEqual(
      [],
    )
    // Whoever cannot trust or understand a manifest has no verdict on the archive.
    const marked = (await work.ok(['backup', 'list', '--json'])).document.backups
    expect(marked).toMatchObject([{ verify: codes[1] === 14 ? 'failed' : 'ok' }])
    await mend()
    await work.ok(['backup', 'verify', 'files'])
  }

  async function mend(): Promise<void> {
    await copyFile(work.at('sound'), archive())
    await copyFile(work.at('sound.manifest.json'), manifest())
  }

  it('is refused with a flipped byte', async () => {
    await flip(archive())
    const elsewhere = await work.run(['restore', 'files', '--to', 'out'])
    expectFailure(elsewhere, 14, /cannot be decompressed/, /.*holdfast backup verify --all/)
    await expectRefused([14, 14], new RegExp(`${key}: the archive cannot be decompressed`))
  })

  it('is marked once a verify has found it, and no longer the latest to restore', async () => {
    await flip(archive())
    expect((await work.run(['backup', 'verify', '--all'])).code).toBe(14)
    const listed = (await work.ok(['backup', 'list', '--json'])).document.backups
    expect(listed).toMatchObject([{ storagePath: key, verify: 'failed' }])
    const again = await work.run(['restore', 'files', '--yes'])
    expectFailure(again, 1, /every backup of files failed its verify/, /.*holdfast backup verify/)
    await mend()
    await work.ok(['backup', 'verify', 'files'])
  })

  it('is refused when it is truncated', async () => {
    await truncate(archive(), 100_000)
    const plan = (await work.run(['plan', '--json'])).document
    expect(plan.actions).toContainEqual(
      expect.objectContaining({
        kind: 'missing',
        because: expect.objectContaining({ rule: 'size-differs' }),
      }),
    )
    expect((await work.run(['plan', '--exit-code'])).code).toBe(2)
    await expectRefused([14, 14], new RegExp(`${key}: the archive cannot be decompressed`))
  })

  it('is refused when it is gone, with its manifest still there', async () => {
    await rm(archive())
    await expectRefused([14, 14], /.*(is missing|no object).*/)
  })

  it('is refused without a manifest', async () => {
    await rm(manifest())
    await expectRefused([14, 14], /the manifest of .* is missing on target shelf/)
  })

  it('is refused with a newer manifest, and says to upgrade', async () => {
    await changeManifest(work, 'shelf', key, { version: 99 })
    await expectRefused([1, 1], /does not count: manifest has version 99, .* reads up to 1/)
    const listed = (await work.ok(['backup', 'list', '--json'])).document.backups
    expect(listed).not.toContainEqual(expect.objectContaining({ verify: 'failed' }))
  })

  it('is refused with the manifest of another deployment', async () => {
    await changeManifest(work, 'shelf', key, { deployment: 'theirs' })
    await expectRefused([1, 1], /does not count: it belongs to deployment theirs/)
  })

  it('is refused with a manifest that is about something else, or is none', async () => {
    await changeManifest(work, 'shelf', key, { key: 'system/files/live/other.tar.zst' })
    await expectRefused([1, 14], /does not count: it is about system\/files\/live\/other\.tar\.zst/)
    await work.write({ [`shelf/${key}.manifest.json`]: '{ nope' })
    await expectRefused([1, 14], /does not count: manifest is no JSON/)
  })

  it('is refused when archive and manifest were both put in its place, fitting each other', async () => {
    const other = tarOf([{ name: './a', type: 'file', content: 'not yours' }])
    const sha256 = createHash('sha256').update(other).digest('hex')
    await work.write({ [`shelf/${key}`]: other })
    const stored = { bytes: other.byteLength, sha256 }
    await changeManifest(work, 'shelf', key, { stored, layers: ['tar'] })
    await expectRefused([1, 14], /does not count: it tells of other content than was written there/)
  })

  it('stops a start that asks for it by file with 1, whatever its cause', async () => {
    await flip(archive())
    const env = { HOLDFAST_RESTORE: `file:${archive()}` }
    const live = await work.files('live')
    const boot = await work.run(['restore', '--boot', '--', 'touch', work.at('became')], { env })
    expect([boot.code, boot.stdout]).toEqual([1, expect.stringContaining('"verify_failed"')])
    const daemon = await work.run(['daemon'], { env })
    expect([daemon.code, daemon.stdout]).toEqual([1, expect.stringContaining('"verify_failed"')])
    await work.write({ [`shelf/${key}.manifest.json`]: '{ nope' })
    const forged = await work.run(['daemon'], { env })
    expect([forged.code, forged.stderr]).toEqual([1, expect.stringContaining('move the manifest')])
    expect(await work.files('live')).toEqual(live)
    expect(Object.keys(await work.files())).not.toContain('became')
  })
})

describe('a damaged copy beside a sound one', () => {
  it('costs no restore, which says so and takes the sound one, and is passed over once a verify has found it', async () => {
    await using work = await makeWorkspace(`
data_dir: ./state
targets: { one: { type: local, path: ./one }, two: { type: local, path: ./two } }
jobs: { files: { sources: [{ type: directory, path: ./live }], targets: [one, two] } }
`)
    await work.write({ 'live/a': 'as it is', 'live/noise': randomBytes(100_000) })
    await work.ok(['backup', 'create'])
    const [key = ''] = await work.archives('one')
    await flip(work.at('one', key))
    await work.write({ 'live/a': 'changed since' })
    const first = await work.run(['restore', 'files', '--yes'])
    expect([first.code, first.stderr]).toEqual([
      0,
      expect.stringMatching(/cannot be decompressed.*; trying the copy on two/),
    ])
    expect(await work.read('live', 'a')).toBe('as it is')
    await work.write({ 'live/a': 'changed again' })
    expect((await work.run(['backup', 'verify', '--all'])).code).toBe(14)
    const second = await work.run(['restore', 'files', '--yes'])
    expect([second.code, second.stderr]).toEqual([0, expect.not.stringContaining('trying')])
    expect(await work.read('live', 'a')).toBe('as it is')
    const [other = ''] = await work.archives('two')
    await flip(work.at('two', other))
    await work.write({ 'live/a': 'changed since' })
    const last = await work.run(['restore', 'files', '--yes'])
    expectFailure(last, 14, /cannot be decompressed/, /.*/)
    expect(await work.read('live', 'a')).toBe('changed since')
  })
})

describe('hostile content under a manifest that is right about it', () => {
  it('escapes from no restore: the live data and all around it stay as they are', async () => {
    await using work = await makeWorkspace(filesConfig('compression: none'))
    await work.write({ 'live/a': 'mine', 'outside/victim': 'untouched' })
    await work.ok(['backup', 'create'])
    const [like = ''] = await work.archives('shelf')
    const outside = work.at('outside')
    const cases = {
      dots: [{ name: './../outside/victim', type: 'file', content: 'pwned' }],
      deepdots: [{ name: './b/../../../outside/new', type: 'file', content: 'pwned' }],
      absolute: [{ name: `${outside}/victim`, type: 'file', content: 'pwned' }],
      hardlink: [
        { name: './h', type: 'hardlink', link: `${outside}/victim` },
        { name: './h', type: 'file', content: 'pwned' },
      ],
      device: [{ name: './null', type: 'character' }],
      block: [{ name: './disk', type: 'block' }],
      through: [
        { name: './out', type: 'symlink', link: outside },
        { name: './out/victim', type: 'file', content: 'pwned' },
      ],
      upwards: [
        { name: './up', type: 'symlink', link: '../outside' },
        { name: './up/new', type: 'file', content: 'pwned' },
      ],
    } as const
    const root = { name: './', type: 'folder' } as const
    for (const [index, [name, members]] of Object.entries(cases).entries()) {
      const content = tarOf([root, ...members])
      await forge(work, 'shelf', {
        like,
        id: `evil-${name}`,
        day: index + 1,
        content,
        layers: ['tar'],
      })
    }
    const link = tarOf([root, { name: './out', type: 'symlink', link: outside }])
    await forge(work, 'shelf', { like, id: 'evil-link', day: 20, content: link, layers: ['tar'] })
    await work.ok(['state', 'adopt'])

    const before = await work.files('outside')
    for (const name of Object.keys(cases)) {
      const ran = await work.run(['restore', `files/live@evil-${name}`, '--yes', '--json'])
      expect([name, ran.code, ran.document.error.code]).toEqual([name, 14, 'verify_failed'])
      expect([name, ran.document.error.at]).toEqual([name, expect.stringContaining('2026-10-')])
      expect(ran.document.error.hint).toEqual(expect.any(String))
    }
    expect(await work.files('outside')).toEqual(before)
    expect(await work.files('live')).toEqual({ a: 'mine' })
    expect(Object.keys(await work.files()).filter((name) => name.includes('holdfast-'))).toEqual([])

    // A link alone is content: it is restored as it is, told of, and nothing goes through it.
    const ran = await work.ok(['restore', 'files/live@evil-link', '--to', 'elsewhere'])
    expect(ran.stdout).toMatch(/symbolic links? leads? out of the tree/)
    expect(await work.files('outside')).toEqual(before)
  })
})

describe('signing', () => {
  it.each([
    ['hmac', 'signing: { type: hmac, key_file: ./key }'],
    [
      'ed25519',
      'signing: { type: ed25519, private_key_file: ./private.pem, public_key_file: ./public.pem }',
    ],
  ])(
    '%s: a forged, unsigned or otherwise signed manifest is foreign: never restored, adopted or deleted',
    async (_, signing) => {
      await using work = await makeWorkspace(
        filesConfig('compression: none\nretention: { keep_last: 1 }', signing),
      )
      const pair = generateKeyPairSync('ed25519')
      await work.write({
        key: 'a key of more than sixteen characters\n',
        'private.pem': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        'public.pem': pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
        'live/a': 'mine',
      })
      await work.ok(['backup', 'create'])
      const [key = ''] = await work.archives('shelf')
      const original = await work.read('shelf', `${key}.manifest.json`)
      expect(JSON.parse(original).signature.value).toEqual(expect.any(String))

      const tar = tarOf([{ name: './a', type: 'file', content: 'theirs' }])
      const forged = { like: key, id: 'evil', day: 1, content: tar, layers: ['tar'] }
      const stolen = await forge(work, 'shelf', forged)
      const unsigned = await forge(work, 'shelf', { ...forged, id: 'bare', day: 2 })
      await changeManifest(work, 'shelf', unsigned, { signature: undefined })
      const odd = await forge(work, 'shelf', { ...forged, id: 'odd', day: 3 })
      const scheme = JSON.parse(original).signature.scheme === 'ed25519' ? 'hmac-sha256' : 'ed25519'
      await changeManifest(work, 'shelf', odd, { signature: { scheme, value: 'AAAA' } })

      const { document } = await work.ok(['state', 'adopt', '--json'])
      expect(document.adopted).toEqual([])
      expect(document.foreign).toEqual([
        { target: 'shelf', key: stolen, why: 'its signature does not fit the configured key' },
        { target: 'shelf', key: unsigned, why: 'it is not signed, and a key is configured' },
        { target: 'shelf', key: odd, why: expect.stringContaining(`it is signed with ${scheme}`) },
      ])
      for (const name of [stolen, unsigned, odd]) {
        const env = { HOLDFAST_RESTORE: `file:${work.at('shelf', name)}` }
        const ran = await work.run(['restore', '--boot', '--', 'true'], { env })
        expect([ran.code, ran.stdout]).toEqual([1, expect.stringContaining('manifest_refused')])
      }
      await work.ok(['backup', 'create'])
      await work.ok(['backup', 'prune', '--older-than', '0s', '--yes'])
      expect(await work.archives('shelf')).toEqual(expect.arrayContaining([stolen, unsigned, odd]))
      expect(await work.read('live', 'a')).toBe('mine')

      const [, newest = ''] = (await work.archives('shelf')).filter(
        (name) => !name.includes('2026-10'),
      )
      const now = newest || ((await work.archives('shelf')).at(-1) ?? '')
      const facts = { ...(await manifestOf(work, 'shelf', now)).source, facts: { path: '/' } }
      const text = await work.read('shelf', `${now}.manifest.json`)
      await changeManifest(work, 'shelf', now, { source: facts })
      const tampered = await work.run(['restore', 'files', '--yes'])
      expectFailure(
        tampered,
        1,
        /its signature does not fit the configured key/,
        /.*holdfast backup/,
      )
      await work.write({ [`shelf/${now}.manifest.json`]: text })
      await work.ok(['restore', 'files', '--yes'])
      await work.ok(['backup', 'download', 'files', 'copy.tar'])
      expect(await work.read('copy.tar.manifest.json')).toBe(text)
    },
  )
})
