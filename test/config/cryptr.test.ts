// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the config's own syntax
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { showConfig } from '../../src/config/show.ts'
import type { Desired, Encryption } from '../../src/core/model.ts'
import { faultsIn, line, loadText, makeFolder, SOURCE } from './support.ts'

const ONE = Buffer.alloc(32, 1).toString('base64')
const TWO = Buffer.alloc(32, 2).toString('base64')
const KEYS = `k1/${ONE}\nk2/${TWO}\n`

const words = (encryption: Encryption | null | undefined) =>
  encryption?.scheme === 'cryptr'
    ? [...encryption.keys.map(({ id, key }) => `${id}/${key.reveal()}`), encryption.active]
    : null

const cryptr = (rest: string) => `encryption: { cryptr: { ${rest} } }`

describe('the keys of cryptr in a config', () => {
  const expected = [`k1/${ONE}`, `k2/${TWO}`, 'k2']

  it('are read from a list, a text of lines, a variable and a file', async () => {
    await using folder = await makeFolder()
    await folder.write('keys', KEYS)
    const path = await folder.write('holdfast.yml', cryptr('keys_file: keys, key_active: k2'))
    const loaded: Desired[] = [
      await loadText(cryptr(`keys: [k1/${ONE}, k2/${TWO}], key_active: k2`)),
      await loadText(cryptr('keys: "${ENC_KEYS}", keyActive: k2'), { ENC_KEYS: KEYS }),
      await loadText(
        `[encryption.cryptr]\nkeys = """\n${KEYS}"""\nkey_active = "k2"`,
        {},
        'holdfast.toml',
      ),
      await loadConfig({ path, env: {}, cwd: '/' }),
    ]
    for (const { encryption } of loaded) expect(words(encryption)).toEqual(expected)
  })

  it('are those of a job where it has its own, and of the file elsewhere', async () => {
    const { jobs } = await loadText(
      [
        cryptr(`keys: [k1/${ONE}], key_active: k1`),
        'jobs:',
        `  own: { source: ${SOURCE}, encryption: { cryptr: { keys: [k2/${TWO}], key_active: k2 } } }`,
        `  usual: { source: ${SOURCE} }`,
      ].join('\n'),
    )
    expect(jobs.map(({ encryption }) => words(encryption)?.at(-1))).toEqual(['k2', 'k1'])
  })

  it('are nowhere to be seen, their ids are', async () => {
    const text = `${cryptr('keys: "${ENC_KEYS}", key_active: k2')}\njobs: { a: { source: ${SOURCE} } }`
    const desired = await loadText(text, { ENC_KEYS: KEYS })
    const seen = [
      JSON.stringify(desired),
      JSON.stringify(showConfig(desired)),
      inspect(desired, { depth: null, showHidden: true }),
    ].join('\n')
    expect(seen).not.toContain(ONE)
    expect(seen).not.toContain(TWO)
    expect(desired.jobs[0]?.facts.encryption).toBe('cryptr with key k2, opened by k1 too')
  })

  it('change the fingerprint with their ids, not with what they are', async () => {
    const printed = async (keys: string) => {
      const text = `${cryptr(`keys: [${keys}], key_active: k1`)}\njobs: { a: { source: ${SOURCE} } }`
      return (await loadText(text)).jobs[0]?.fingerprint
    }
    const usual = await printed(`k1/${ONE}`)
    expect(await printed(`k1/${TWO}`)).toBe(usual)
    expect(await printed(`k1/${ONE}, k2/${TWO}`)).not.toBe(usual)
  })

  it('hold the first of an id, and tell of the next', async () => {
    const { encryption, notices } = await loadText(
      cryptr(`keys: [k1/${ONE}, k1/${TWO}], key_active: k1`),
    )
    expect(words(encryption)).toEqual([`k1/${ONE}`, 'k1'])
    expect(notices).toContain('encryption.cryptr.keys: key k1 is there again; the first one holds')
  })

  it('may be unknown where secrets are not at hand', async () => {
    await using folder = await makeFolder()
    for (const keys of ['keys: "${ENC_KEYS}"', 'keys_file: nowhere']) {
      const path = await folder.write('holdfast.yml', cryptr(`${keys}, key_active: k1`))
      const desired = await loadConfig({ path, env: {}, cwd: '/', unset: 'leave' })
      expect(words(desired.encryption)).toEqual(['k1'])
    }
  })

  it.each([
    [
      'an active key that is not there',
      `keys: [k1/${ONE}, k2/${TWO}], key_active: k3`,
      /^encryption.cryptr.key_active: there is no key k3 \(there are k1, k2\)$/,
    ],
    ['no active key', `keys: [k1/${ONE}]`, /cryptr: key "key_active" is missing$/],
    ['no keys', 'key_active: k1', /cryptr: one of "keys", "keys_file" is missing$/],
    ['lines without a key', 'keys: "none", key_active: k1', /keys: there is no line of id\/base64/],
    [
      'a key that is too short',
      'keys: [k1/aHVudGVyMg==], key_active: k1',
      /keys: line 1: the key after the slash has to be 32 bytes in base64, padded/,
    ],
    ['an odd id', `keys: [k1/${ONE}], key_active: "k 1"`, /key_active: must be the id of a key/],
  ])('are refused for %s, and never quoted', async (_what, rest, why) => {
    const faults = (await faultsIn(cryptr(rest))).map(line)
    expect(faults.map((one) => one.replace(/^\S+ /, ''))).toContainEqual(expect.stringMatching(why))
    for (const secret of [ONE, TWO, 'aHVudGVyMg']) expect(faults.join('\n')).not.toContain(secret)
  })

  it('are refused beside those of age', async () => {
    const keys = `cryptr: { keys: [k1/${ONE}], key_active: k1 }`
    const [fault] = await faultsIn(`encryption: { ${keys}, recipients: [age1q] }`)
    expect(fault).toMatchObject({
      path: 'encryption.recipients',
      message: 'stands beside "cryptr"',
      hint: 'keep age or cryptr',
    })
  })
})
