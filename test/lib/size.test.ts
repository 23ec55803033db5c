import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatBytes, parseSize } from '../../src/lib/size.ts'

describe('a size', () => {
  it('is a number of bytes, or has a unit of thousands or of 1024', () => {
    const cases = {
      '0': 0,
      '512': 512,
      '10MiB': 10 * 2 ** 20,
      '10 mib': 10 * 2 ** 20,
      '500 kB': 500_000,
      '1.5GB': 1_500_000_000,
      '1g': 2 ** 30,
      '2T': 2 ** 41,
      ' 7 b ': 7,
    }
    for (const [text, bytes] of Object.entries(cases)) expect(parseSize(text)).toBe(bytes)
  })
  it('is nothing else', () => {
    for (const text of [
      '',
      'MiB',
      '-1',
      '1.5.5',
      '1e9',
      '10 miles',
      '1constructor',
      '99999999TiB',
    ]) {
      expect(parseSize(text)).toBeNull()
    }
  })
  it('is written in the largest unit that leaves a whole', () => {
    const cases = {
      '0 B': 0,
      '1 B': 0.6,
      '1023 B': 1023,
      '1.0 KiB': 1024,
      '1.5 KiB': 1536,
      '12.3 MiB': 12.3 * 2 ** 20,
      '1.0 MiB': 2 ** 20 - 1,
      '1.0 GiB': 2 ** 30 - 1,
      '1.0 TiB': 2 ** 40 - 1,
      '2048.0 TiB': 2 ** 51,
      '-1.0 MiB': -(2 ** 20),
    }
    for (const [text, bytes] of Object.entries(cases)) expect(formatBytes(bytes)).toBe(text)
  })
  it('reads back within a twentieth of its unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => {
        const back = parseSize(formatBytes(bytes)) ?? Number.NaN
        expect(Math.abs(back - bytes)).toBeLessThanOrEqual(Math.max(1, bytes * 0.0501))
      }),
    )
  })
})
