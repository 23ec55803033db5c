import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseCryptrKeys } from '../../src/core/cryptr-keys.ts'
import { makeWorkspace } from '../support/holdfast.ts'

const exec = promisify(execFile)
const mark = (bytes: string | Uint8Array) =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 16)

describe('key generate', () => {
  it('makes an identity that the age program knows, the secret on stdout alone', async () => {
    await using work = await makeWorkspace()
    const { code, stdout, stderr } = await work.run(['key', 'generate'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^# created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n# public key: age1[0-9a-z]+\nAGE-SECRET-KEY-1[0-9A-Z]+\n$/,
    )
    await work.write({ key: stdout })
    const recipient = (await exec('age-keygen', ['-y', work.at('key')])).stdout.trim()
    expect(stdout).toContain(`# public key: ${recipient}\n`)
    expect(stderr).toBe(`Public key: ${recipient}\n`)
  })

  it('writes a file that only its owner reads, and never over another', async () => {
    await using work = await makeWorkspace()
    const { stdout, stderr } = await work.ok(['key', 'generate', '--out', 'age.key'])
    expect(stdout).toBe('\n')
    const text = await work.read('age.key')
    expect(text).toMatch(/AGE-SECRET-KEY-1[0-9A-Z]+\n$/)
    expect(stderr).toMatch(/^Public key: age1/)
    expect((await stat(work.at('age.key'))).mode & 0o777).toBe(0o600)
    const again = await work.run(['key', 'generate', '--out', 'age.key'])
    expect(again.code).toBe(1)
    expect(again.stderr).toMatch(/age.key is there already/)
    expect(await work.read('age.key')).toBe(text)
  })

  it('makes a line of ENC_KEYS, under a name that was asked for or a random one', async () => {
    await using work = await makeWorkspace()
    const named = await work.ok(['key', 'generate', '--cryptr', '--id', 'prod:2026'])
    const random = await work.ok(['key', 'generate', '--cryptr', '--json'])
    const { scheme, id, path, secret } = random.document
    expect({ scheme, path }).toEqual({ scheme: 'cryptr', path: null })
    expect(id).toMatch(/^[0-9a-f]{8}$/)
    const { keys, faults } = parseCryptrKeys(`${named.stdout}${secret}`)
    expect(faults).toEqual([])
    expect(keys.map((key) => key.id)).toEqual(['prod:2026', id])
    expect(named.stderr).toBe('Key id: prod:2026\n')
  })

  it('tells where the file is, and not what is in it, as JSON', async () => {
    await using work = await makeWorkspace()
    const { document } = await work.ok(['key', 'generate', '--out', 'k', '--json'])
    const id = expect.stringMatching(/^age1/)
    expect(document).toEqual({ scheme: 'age', id, path: work.at('k'), secret: null })
  })

  it.each([
    [['--id', 'k1'], /only a key of cryptr has an id/],
    [['--cryptr', '--id', 'k 1'], /the id of a key has to be/],
    [['--out', 'no/such/folder'], /cannot write/],
  ])('refuses %j', async (words, why) => {
    await using work = await makeWorkspace()
    const { code, stdout, stderr } = await work.run(['key', 'generate', ...words])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(why)
  })
})

describe('key fingerprint', () => {
  it('tells each key apart and what it is good for, and never shows one', async () => {
    await using work = await makeWorkspace()
    const own = (await work.ok(['key', 'generate', '--out', 'own', '--json'])).document.id
    const other = (await work.ok(['key', 'generate', '--json'])).document.id
    const line = async (id: string) =>
      (await work.ok(['key', 'generate', '--cryptr', '--id', id, '--json'])).document.secret
    const [k1, k2] = [await line('k1'), await line('k2')]
    await work.write({
      keys: `${k1}\n${k2}\n`,
      phrase: 'correct horse\n',
      'holdfast.yml': [
        `encryption: { recipients: [${own}, ${other}], identity_file: own }`,
        'targets: { shelf: { type: local, path: ./shelf } }',
        'jobs:',
        '  a: { source: { type: directory, path: ./live }, encryption: { cryptr: { keys_file: keys, key_active: k2 } } }',
        '  b: { source: { type: directory, path: ./live }, encryption: { passphrase_file: phrase } }',
      ].join('\n'),
    })
    const { document, stdout } = await work.ok(['key', 'fingerprint', '--json'])
    const raw = (text: string) => mark(Buffer.from(text.slice(3), 'base64'))
    const file = work.at('phrase')
    const both = { opens: true, closes: true }
    expect(document.keys).toEqual([
      { scheme: 'cryptr', id: 'k1', fingerprint: raw(k1), opens: true, closes: false },
      { scheme: 'cryptr', id: 'k2', fingerprint: raw(k2), ...both },
      { scheme: 'age', id: own, fingerprint: mark(own), ...both },
      { scheme: 'age', id: file, fingerprint: null, ...both },
      { scheme: 'age', id: other, fingerprint: mark(other), opens: false, closes: true },
    ])
    const words = await work.ok(['key', 'fingerprint'])
    expect(words.stdout).toMatch(/^scheme +key +fingerprint +here it\n/)
    expect(words.stdout).toMatch(/^cryptr +k2 +[0-9a-f]{16} +opens and closes$/m)
    expect(words.stderr).toMatch(/open to others/) // the files that the test wrote
    const secrets = [k1.slice(3), k2.slice(3), 'correct horse', 'AGE-SECRET-KEY']
    for (const secret of secrets) {
      expect(stdout + words.stdout + words.stderr).not.toContain(secret)
    }
  })

  it('has nothing to tell where archives are plain', async () => {
    await using work = await makeWorkspace('targets: { shelf: { type: local, path: ./shelf } }')
    expect((await work.ok(['key', 'fingerprint'])).stdout).toMatch(/^no key is configured/)
  })
})
