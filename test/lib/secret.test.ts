import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/lib/secret.ts'

describe('a secret', () => {
  const secret = new Secret('hunter2')

  it('prints as stars, however it is printed', () => {
    const printed = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
      JSON.stringify({ ...secret }),
      Object.values(secret).join(),
    ]
    for (const text of printed) expect(text).not.toContain('hunter2')
    expect(printed[0]).toBe('***')
    expect(printed[2]).toBe('{"secret":"***"}')
  })
  it('is told to whoever asks for it by name', () => {
    expect(secret.reveal()).toBe('hunter2')
  })
})
