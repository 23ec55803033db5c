import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeManifest, MANIFEST_VERSION, type Manifest } from '../../src/core/manifest.ts'
import { parseManifest, parseSignature } from '../../src/core/manifest-parse.ts'
import type { BackupId, Bytes, InstanceId, Instant, JobId, RunId } from '../../src/core/model.ts'
import { ManifestRefused } from '../../src/lib/errors.ts'

const SCHEMA = JSON.parse(readFileSync('schema/manifest.schema.json', 'utf8'))
const fits = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(SCHEMA)

const word = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme-ascii' })
const instant = fc.integer({ min: 0, max: 4102444800000 }).map((at) => at as Instant)
const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/)
const segment = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,10}$/)
const bytes = fc.nat(2 ** 50).map((size) => size as Bytes)
const texts = fc.array(fc.string(), { maxLength: 3 })
const fact = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), texts)

const manifests: fc.Arbitrary<Manifest> = fc
  .record({
    version: fc.constant(MANIFEST_VERSION),
    deployment: word,
    run: word.map((id) => id as RunId),
    runName: fc.option(word),
    backup: word.map((id) => id as BackupId),
    job: word.map((id) => id as JobId),
    organization: fc.option(word),
    app: fc.option(word),
    slot: fc.option(instant),
    attempt: fc.nat(9),
    fence: fc.nat(),
    source: fc.record({
      type: word,
      name: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
      facts: fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,9}$/), fact, {
        maxKeys: 5,
      }),
    }),
    started: instant,
    finished: instant,
    key: fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/')),
    stored: fc.record({ bytes, sha256 }),
    layers: fc.array(fc.constantFrom('tar', 'zstd', 'age'), { minLength: 1, maxLength: 3 }),
    encryption: fc.oneof(
      fc.constant(null),
      fc.record({ scheme: fc.constant('age' as const), recipients: texts }),
      fc.constant({ scheme: 'age-passphrase' as const }),
      fc.record({
        scheme: fc.constant('cryptr' as const),
        keyId: fc.stringMatching(/^[a-zA-Z0-9:_-]{2,20}$/),
      }),
    ),
    config: fc.record({ sha256, commit: fc.option(word) }),
    instance: word.map((id) => id as InstanceId),
    holdfast: word,
    warnings: texts,
  })
  .map((one) => ({
    ...one,
    started: Math.min(one.started, one.finished) as Instant,
    finished: Math.max(one.started, one.finished) as Instant,
  }))

const [SAMPLE] = fc.sample(manifests, { numRuns: 1, seed: 7 })
if (SAMPLE === undefined) throw new Error('no sample')
const sample: Manifest = SAMPLE

/** The sample's text with some of its keys exchanged; undefined takes one out. */
function changed(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...JSON.parse(encodeManifest(sample)), ...changes })
}

describe('a manifest', () => {
  it('is read as it was written, and fits its schema', () => {
    fc.assert(
      fc.property(manifests, (manifest) => {
        const text = encodeManifest(manifest)
        expect(parseManifest(text)).toEqual(manifest)
        expect(fits(JSON.parse(text)), JSON.stringify(fits.errors)).toBe(true)
      }),
    )
  })

  it('has one text, whatever the order of its facts', () => {
    const facts = { path: '/a', exclude: ['x'], owner: 0 }
    const turned = { owner: 0, exclude: ['x'], path: '/a' }
    const of = (one: Manifest['source']['facts']) =>
      encodeManifest({ ...sample, source: { ...sample.source, facts: one } })
    expect(of(facts)).toBe(of(turned))
    expect(of(facts)).toMatch(/^\{\n {2}"version": 1,\n[\s\S]*\}\n$/)
  })

  it('carries its signature as the last key', () => {
    const text = encodeManifest(sample, { scheme: 'ed25519', value: 'AAAA' })
    expect(Object.keys(JSON.parse(text)).at(-1)).toBe('signature')
    expect(parseSignature(text)).toEqual({ scheme: 'ed25519', value: 'AAAA' })
    expect(parseSignature(encodeManifest(sample))).toBeNull()
    expect(fits(JSON.parse(text))).toBe(true)
  })

  it('may hold keys of a later, compatible program', () => {
    expect(parseManifest(changed({ later: { a: 1 } }))).toEqual(sample)
  })
})

describe('a manifest that cannot be trusted', () => {
  const source = { type: 'directory', name: 'files', facts: {} }
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
    ['a negative size', { stored: { bytes: -1, sha256: 'a'.repeat(64) } }, /stored\.bytes/],
    ['a size with a fraction', { stored: { bytes: 1.5, sha256: 'a'.repeat(64) } }, /stored\.bytes/],
    [
      'a size past all counting',
      { stored: { bytes: 1e300, sha256: 'a'.repeat(64) } },
      /stored\.bytes/,
    ],
    ['a hash that is none', { stored: { bytes: 1, sha256: 'A'.repeat(64) } }, /stored\.sha256/],
    ['a short hash', { config: { sha256: 'ab', commit: null } }, /config\.sha256/],
    ['a key that climbs out', { key: 'a/../../b' }, /key has to be a path/],
    ['an absolute key', { key: '/a/b' }, /key has to be a path/],
    ['a key with an empty part', { key: 'a//b' }, /key has to be a path/],
    ['a key with a backslash', { key: 'a\\..\\b' }, /key has to be a path/],
    ['a key with a line break', { key: 'a\nb' }, /key has to be a path/],
    ['no key', { key: undefined }, /key is missing/],
    ['a number for a name', { deployment: 5 }, /deployment/],
    ['an empty name', { backup: '' }, /backup/],
    ['a name that a terminal would obey', { job: 'a\u001b[31m' }, /job/],
    ['a time that is none', { started: 'yesterday' }, /started/],
    ['a time in another spelling', { started: '2026-11-20' }, /started/],
    ['a day that no calendar has', { started: '2026-02-30T00:00:00.000Z' }, /started/],
    ['a source name with a slash', { source: { ...source, name: 'a/b' } }, /source\.name/],
    ['a fact that is a block', { source: { ...source, facts: { a: {} } } }, /source\.facts\.a/],
    ['a list for a block', { source: [] }, /source has to be a block/],
    ['no layers', { layers: [] }, /layers is empty/],
    ['a scheme that nobody knows', { encryption: { scheme: 'rot13' } }, /encryption\.scheme/],
    ['a half attempt', { attempt: 0.5 }, /attempt/],
    ['version 0', { version: 0 }, /version/],
    ['a version in words', { version: '1' }, /version/],
  ]

  it.each(cases)('is refused for %s, by us and by the schema', (_what, changes, why) => {
    const text = changed(changes)
    expect(() => parseManifest(text)).toThrow(why)
    expect(() => parseManifest(text)).toThrow(ManifestRefused)
    const isCalendar = changes.started === '2026-02-30T00:00:00.000Z' // no pattern knows February
    expect(fits(JSON.parse(text))).toBe(isCalendar)
  })

  it('is refused when it ends before it starts', () => {
    const times = { started: '2026-01-02T00:00:00.000Z', finished: '2026-01-01T00:00:00.000Z' }
    expect(() => parseManifest(changed(times))).toThrow(/finished is before started/)
  })

  it('is refused when it is newer than we are, with both versions and what to do', () => {
    const newer = () => parseManifest(changed({ version: 9, key: '../..' }))
    expect(newer).toThrow('manifest has version 9, and this holdfast reads up to 1')
    expect(newer).toThrow(expect.objectContaining({ hint: expect.stringMatching(/upgrade/) }))
  })

  it.each([['{"version": 1'], ['[]'], ['null'], ['"text"'], [''], ['\u0000']])(
    'is refused when it is no JSON object: %j',
    (text) => {
      expect(() => parseManifest(text)).toThrow(ManifestRefused)
    },
  )

  it('is refused when it is far too long, before it is looked at', () => {
    expect(() => parseManifest(' '.repeat(5 * 1024 * 1024))).toThrow(/too long/)
  })

  it('never makes anything but a refusal of whatever JSON there is', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom(...Object.keys(JSON.parse(encodeManifest(sample)))),
        (value, key) => {
          try {
            const read = parseManifest(changed({ [key]: value }))
            expect(parseManifest(encodeManifest(read))).toEqual(read)
          } catch (error) {
            expect(error).toBeInstanceOf(ManifestRefused)
          }
        },
      ),
    )
  })

  it('cannot slip facts past us by the names of prototypes', () => {
    const text = encodeManifest(sample).replace('"facts": {', '"facts": {"__proto__": {"x": 1},')
    expect(() => parseManifest(text)).toThrow(/__proto__/)
  })
})
