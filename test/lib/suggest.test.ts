import { describe, expect, it } from 'vitest'
import { suggest } from '../../src/lib/suggest.ts'

describe('a suggestion', () => {
  const keys = ['schedule', 'sources', 'targets', 'retention', 'require', 'retry', 'notify']

  it('is the nearest by letters missing, added, changed or swapped', () => {
    expect(suggest('shedule', keys)).toBe('schedule')
    expect(suggest('schedulee', keys)).toBe('schedule')
    expect(suggest('retantion', keys)).toBe('retention')
    expect(suggest('retyr', keys)).toBe('retry')
    expect(suggest('source', keys)).toBe('sources')
  })
  it('does not mind the case', () => {
    expect(suggest('SCHEDULE', keys)).toBe('schedule')
    expect(suggest('keeplast', ['keepDaily', 'keepLast'])).toBe('keepLast')
  })
  it('is the nearer of two, and the first of equals', () => {
    expect(suggest('bate', ['date', 'gate', 'bat'])).toBe('date')
    expect(suggest('targetz', ['target', 'targets', 'targetz2'])).toBe('target')
    expect(suggest('retriy', ['retrieve', 'retry'])).toBe('retry')
  })
  it('is none when nothing is near', () => {
    expect(suggest('volume', keys)).toBeNull()
    expect(suggest('xx', keys)).toBeNull()
    expect(suggest('anything', [])).toBeNull()
  })
})
