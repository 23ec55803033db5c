import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { generateHybridIdentity } from 'age-encryption'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AgeEncryption } from '../../src/core/model.ts'
import { ArchiveDamaged, CannotDecrypt, ConfigError } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ageDecrypt } from '../../src/stream/age.ts'
import {
  type AgeSealing,
  encryptionOf,
  type Identity,
  loadIdentities,
  loadIdentityFiles,
} from '../../src/stream/keys.ts'
import { ageEncrypt } from '../support/sealing.ts'
import { collect, folder, inChunks, never, pair } from './support.ts'

const exec = promisify(execFile)
const at = folder()
const SIZES = [0, 1, 65535, 65536, 65537, 131072, 400_001]

const seal = (keys: AgeSealing, bytes: Uint8Array, ...sizes: number[]) =>
  collect(ageEncrypt(keys, never)(inChunks(bytes, ...sizes)))
const open = (keys: readonly Identity[], bytes: Uint8Array, ...sizes: number[]) =>
  collect(ageDecrypt(keys, never)(inChunks(bytes, ...sizes)))

/** What `ps` would show. */
function everyCommandLine(): string {
  return globSync('/proc/[0-9]*/cmdline')
    .map((path) => {
      try {
        return readFileSync(path, 'utf8')
      } catch {
        return '' // it has ended
      }
    })
    .join('\n')
}

/** age reads a passphrase from a terminal only: script gives it one. */
async function ageAtTerminal(command: string, ...lines: string[]): Promise<void> {
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let asked = ''
  child.stdout.on('data', (chunk: Buffer) => {
    asked += chunk
    while (/passphrase[^:]*:/i.test(asked)) {
      asked = asked.replace(/passphrase[^:]*:/i, '')
      child.stdin.write(`${lines.shift()}\n`)
    }
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${asked}`)
}

describe('age with recipients', () => {
  it('is read by the age program, whatever the size', async () => {
    const { sealing, text } = await pair()
    await writeFile(at('id'), `# a comment\n${text}\n`)
    for (const size of SIZES) {
      const bytes = randomBytes(size)
      await writeFile(at('sealed'), await seal(sealing, bytes, 100_000))
      const { stdout } = await exec('age', ['-d', '-i', at('id'), at('sealed')], {
        encoding: 'buffer',
      })
      expect(stdout.equals(bytes)).toBe(true)
    }
  })

  it('reads what the age program wrote, whatever the size', async () => {
    const { recipient, identity } = await pair()
    for (const size of SIZES) {
      const bytes = randomBytes(size)
      await writeFile(at('open'), bytes)
      await exec('age', ['-r', recipient, '-o', at('sealed'), at('open')])
      expect((await open([identity], await readFile(at('sealed')), 70_000)).equals(bytes)).toBe(
        true,
      )
    }
  })

  it('opens for each of several recipients, hybrid ones among them', async () => {
    const classic = await pair()
    const hybrid = await pair(await generateHybridIdentity())
    const bytes = randomBytes(1000)
    for (const recipients of [[classic.recipient, (await pair()).recipient], [hybrid.recipient]]) {
      const sealed = await seal({ kind: 'recipients', recipients }, bytes)
      const keys = [hybrid.identity, classic.identity]
      expect((await open(keys, sealed)).equals(bytes)).toBe(true)
    }
  })

  it('gives the same bytes back however they are cut', async () => {
    const { sealing, identity } = await pair()
    const cuts = fc.array(
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 200_000 })),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 300_000 }),
        cuts,
        cuts,
        async (size, ins, outs) => {
          const bytes = randomBytes(size)
          const sealed = await seal(sealing, bytes, ...ins)
          expect((await open([identity], sealed, ...outs)).equals(bytes)).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('age with a passphrase', () => {
  it('is read by the age program and reads what that wrote, the secret never in argv', async () => {
    const bytes = randomBytes(70_000)
    const passphrase = 'correct horse battery'
    const seen: string[] = []
    const watch = setInterval(() => seen.push(everyCommandLine()), 50)
    const sealed = await seal({ kind: 'passphrase', passphrase: new Secret(passphrase) }, bytes)
    const identity = { kind: 'passphrase', secret: new Secret(passphrase), file: 'p' } as const
    expect((await open([identity], sealed)).equals(bytes)).toBe(true)
    clearInterval(watch)
    expect(seen.some((list) => list.includes('age-passphrase'))).toBe(true)
    expect(seen.some((list) => list.includes(passphrase))).toBe(false)

    await writeFile(at('sealed'), sealed)
    await ageAtTerminal(`age -d -o ${at('pass-open')} ${at('sealed')}`, passphrase)
    expect((await readFile(at('pass-open'))).equals(bytes)).toBe(true)
    await ageAtTerminal(`age -p -o ${at('pass-sealed')} ${at('pass-open')}`, passphrase, passphrase)
    expect((await open([identity], await readFile(at('pass-sealed')))).equals(bytes)).toBe(true)
    const wrong = { ...identity, secret: new Secret('wrong') }
    await expect(open([wrong], sealed)).rejects.toThrow(
      /is encrypted with a passphrase, and the configured one does not open it/,
    )
    await expect(open([], sealed)).rejects.toThrow(/none is configured/)
  })
})

describe('an age file that is not what was written', () => {
  it('says whom it was made for when no identity fits', async () => {
    const [one, two, other] = [await pair(), await pair(), await pair()]
    const recipients = [one.recipient, two.recipient]
    const sealed = await seal({ kind: 'recipients', recipients }, randomBytes(10))
    const wrong = await open([other.identity], sealed).catch((cause) => cause)
    expect(wrong).toBeInstanceOf(CannotDecrypt)
    expect(wrong.message).toBe(
      'the archive is encrypted to 2 recipients (X25519), and the configured identity does not open it',
    )
    expect(wrong.hint).toMatch(/encryption.identity_file/)
    await expect(open([], sealed)).rejects.toThrow(/no identity is configured/)
  })

  it('is damaged when cut off anywhere, and gives nothing that is not authenticated', async () => {
    const { sealing, identity } = await pair()
    const bytes = randomBytes(3 * 65536)
    const sealed = await seal(sealing, bytes)
    const header = sealed.length - 16 - bytes.length - 3 * 16
    const cuts = [0, 5, 30, header - 1, header, header + 10, header + 16, header + 20]
    for (const cut of [...cuts, header + 16 + 65552, sealed.length - 65552, sealed.length - 1]) {
      const given: Uint8Array[] = []
      const work = (async () => {
        const part = inChunks(sealed.subarray(0, cut), 9000)
        for await (const chunk of ageDecrypt([identity], never)(part)) given.push(chunk)
      })()
      await expect(work, `cut at ${cut}`).rejects.toBeInstanceOf(ArchiveDamaged)
      const got = Buffer.concat(given)
      expect(got.equals(bytes.subarray(0, got.length))).toBe(true)
      expect(got.length % 65536).toBe(0)
    }
  })

  it('is damaged when a byte is flipped, added, or chunks change places', async () => {
    const { sealing, identity } = await pair()
    const sealed = await seal(sealing, randomBytes(2 * 65536 + 10))
    const payload = sealed.length - (2 * 65536 + 10) - 3 * 16
    const flipped = (place: number) => {
      const copy = Buffer.from(sealed)
      copy[place] = (copy[place] ?? 0) ^ 1
      return copy
    }
    const swapped = Buffer.concat([
      sealed.subarray(0, payload),
      sealed.subarray(payload + 65552, payload + 2 * 65552),
      sealed.subarray(payload, payload + 65552),
      sealed.subarray(payload + 2 * 65552),
    ])
    const longer = Buffer.concat([sealed, Buffer.from('x')])
    const emptyEnd = Buffer.concat([sealed, Buffer.alloc(16)])
    const macLine = sealed.indexOf('\n--- ') + 10
    for (const bad of [
      flipped(3),
      flipped(macLine),
      flipped(payload - 1),
      flipped(payload),
      flipped(payload + 70_000),
      flipped(sealed.length - 1),
      swapped,
      longer,
      emptyEnd,
      Buffer.from('no age file at all'),
    ]) {
      await expect(open([identity], bad, 50_000)).rejects.toBeInstanceOf(ArchiveDamaged)
    }
    await expect(
      open([identity], Buffer.alloc(2 ** 20 + 9000, 'age-encryption.org/v1\n'), 99_999),
    ).rejects.toThrow(/endless/)
  })

  it('passes on the failure of what it reads from', async () => {
    const { sealing, identity } = await pair()
    const torn = new Error('torn')
    async function* failing(bytes: Uint8Array) {
      yield bytes
      throw torn
    }
    const sealed = await seal(sealing, randomBytes(100_000))
    await expect(collect(ageDecrypt([identity], never)(failing(sealed)))).rejects.toBe(torn)
    await expect(collect(ageEncrypt(sealing, never)(failing(sealed)))).rejects.toBe(torn)
  })
})

describe('key files', () => {
  const none: AgeEncryption = {
    scheme: 'age',
    recipients: [],
    passphraseFile: null,
    identityFiles: [],
  }

  it('give every identity once, comments and line ends of any kind passed over', async () => {
    const [one, two] = [await pair(), await pair()]
    await writeFile(at('one'), `# made by\r\n${one.text}\r\n\n`, { mode: 0o600 })
    await writeFile(at('two'), `${two.text}\n${one.text}`, { mode: 0o640 })
    const first = { ...none, identityFiles: [at('one')] }
    const second = { ...none, identityFiles: [at('one'), at('two')] }
    const loaded = await loadIdentityFiles([first, null, second])
    expect(loaded.identities.map(({ secret }) => secret.reveal())).toEqual([one.text, two.text])
    expect(loaded.warnings).toEqual([
      {
        file: at('two'),
        message: expect.stringMatching(/mode 0640/),
        hint: `chmod 600 ${at('two')}`,
      },
    ])
    expect(await loadIdentities([null, none])).toEqual([])
    expect(JSON.stringify(loaded)).not.toContain(one.text)
  })

  it('are left out with a warning while another serves, and an error when none does', async () => {
    const { text } = await pair()
    await writeFile(at('good'), text, { mode: 0o600 })
    const files = [at('missing'), at('good')]
    const loaded = await loadIdentityFiles([{ ...none, identityFiles: files }])
    expect(loaded.identities).toHaveLength(1)
    expect(loaded.warnings[0]?.message).toMatch(/cannot read identity file .*missing \(ENOENT\)/)
    const error = await loadIdentities([{ ...none, identityFiles: [at('missing')] }]).catch(
      (e) => e,
    )
    expect(error).toBeInstanceOf(CannotDecrypt)
    expect(error.hint).toMatch(/age-keygen/)
  })

  it('never show up in an error about them', async () => {
    const { text } = await pair()
    const misspelt = `${text.slice(0, -1)}${text.endsWith('Q') ? 'P' : 'Q'}`
    for (const [content, message] of [
      [`${misspelt}\n`, /line 1 of identity file/],
      ['# nothing\n', /holds no identity/],
      ['-----BEGIN OPENSSH PRIVATE KEY-----\nabc', /SSH and PEM/],
      ['age-encryption.org/v1\n', /itself encrypted/],
    ] as const) {
      await writeFile(at('bad'), content)
      const error = await loadIdentities([{ ...none, identityFiles: [at('bad')] }]).catch((e) => e)
      expect(error).toBeInstanceOf(CannotDecrypt)
      expect(error.message).toMatch(message)
      expect(error.message).not.toContain(text.slice(20, 40))
    }
  })

  it('make sealing keys, and name what is wrong with them', async () => {
    const { recipient, text } = await pair()
    expect(await encryptionOf(null)).toEqual({ keys: null, manifest: null })
    expect(await encryptionOf({ ...none, recipients: [recipient] })).toEqual({
      keys: { kind: 'recipients', recipients: [recipient] },
      manifest: { scheme: 'age', recipients: [recipient] },
    })
    await writeFile(at('phrase'), 'a b\n')
    await chmod(at('phrase'), 0o600)
    const { keys, manifest } = await encryptionOf({ ...none, passphraseFile: at('phrase') })
    expect(keys?.kind === 'passphrase' && keys.passphrase.reveal()).toBe('a b')
    expect(manifest).toEqual({ scheme: 'age-passphrase' })
    await writeFile(at('empty'), '\n')
    for (const [bad, message] of [
      [{ ...none, recipients: ['age1nonsense'] }, /encryption.recipients: age1nonsense is no age/],
      [{ ...none, recipients: [text] }, /a secret key stands where/],
      [none, /names nobody/],
      [{ ...none, passphraseFile: at('missing') }, /passphrase_file: cannot read .* \(ENOENT\)/],
      [{ ...none, passphraseFile: at('empty') }, /is empty/],
      [{ ...none, recipients: [recipient], passphraseFile: at('phrase') }, /not both/],
    ] as const) {
      const error = await encryptionOf(bad).catch((e) => e)
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).toMatch(message)
      expect(error.message).not.toContain(text)
    }
  })
})
