import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCryptrId, parseCryptrKeys } from '../../src/core/cryptr-keys.ts'

const ONE = Buffer.alloc(32, 1).toString('base64')
const SLASHES = Buffer.alloc(32, 255).toString('base64')

const told = (words: string | readonly string[]) => {
  const { keys, faults, duplicates } = parseCryptrKeys(words)
  return { keys: keys.map(({ id, key }) => `${id}/${key.reveal()}`), faults, duplicates }
}

describe('the keys of ENC_KEYS', () => {
  it('are one a line, split at the first slash; blank lines and lines without one are passed over', () => {
    const text = `\n  q6u26onRvXVG4427/${ONE}  \r\nno slash here\n\nb:_-/${SLASHES}\n`
    const keys = [`q6u26onRvXVG4427/${ONE}`, `b:_-/${SLASHES}`]
    expect(told(text)).toEqual({ keys, faults: [], duplicates: [] })
    expect(told(['', `q6u26onRvXVG4427/${ONE}`, `b:_-/${SLASHES}`]).keys).toEqual(keys)
  })

  it('hold the first of an id, and say which came again', () => {
    expect(told(`k1/${ONE}\nk1/${SLASHES}\nk2/${ONE}`)).toEqual({
      keys: [`k1/${ONE}`, `k2/${ONE}`],
      faults: [],
      duplicates: ['k1'],
    })
  })

  it.each([
    ['too short a key', `k1/${Buffer.alloc(31).toString('base64')}`, /line 1: the key/],
    ['too long a key', `k1/${Buffer.alloc(33).toString('base64')}`, /line 1: the key/],
    ['no padding', `k1/${ONE.slice(0, -1)}`, /line 1: the key/],
    ['bits after the end', `k1/${ONE.slice(0, -2)}F=`, /line 1: the key/],
    ['the alphabet of addresses', `\nk1/${SLASHES.replaceAll('/', '_')}`, /line 2: the key/],
    ['no key', 'k1/', /line 1: the key/],
    ['a short id', `k/${ONE}`, /line 1: the id/],
    ['a long id', `${'k'.repeat(21)}/${ONE}`, /line 1: the id/],
    ['an odd id', `k 1/${ONE}`, /line 1: the id/],
    ['no id', `/${ONE}`, /line 1: the id/],
  ])('are refused for %s', (_what, text, why) => {
    const { keys, faults } = parseCryptrKeys(text)
    expect(keys).toEqual([])
    expect(faults).toEqual([expect.stringMatching(why)])
  })

  it('are never echoed, whatever the text', () => {
    const line = fc.oneof(
      fc.string(),
      fc.tuple(fc.string(), fc.base64String()).map(([id, key]) => `${id}/${key}`),
    )
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const { keys, faults, duplicates } = parseCryptrKeys(lines)
        const fixed = /^line \d+: the (id before|key after) the slash has to be [a-zA-Z0-9:_ ,-]+$/
        for (const one of faults) expect(one).toMatch(fixed)
        for (const id of [...duplicates, ...keys.map(({ id }) => id)]) {
          expect(isCryptrId(id)).toBe(true)
        }
        expect(JSON.stringify(keys)).toMatch(/^(\[\]|.*"key":"\*\*\*".*)$/)
      }),
    )
  })
})
