import { describe, expect, it } from 'vitest'
import type { Desired } from '../../src/core/model.ts'
import { discoveryWarnings } from '../../src/core/plan-coverage.ts'
import type { Surroundings } from '../../src/core/surroundings.ts'
import {
  composed,
  composedVolume,
  container,
  discovering,
  engine,
  NOW,
  SHOP,
  seenBy,
  template,
  volume,
} from './docker-nouns.ts'

function rules(surroundings: readonly Surroundings[], changes: Partial<Desired> = {}) {
  return discoveryWarnings(discovering(changes), { surroundings }, NOW).map(
    ({ rule, subject }) => `${rule} ${subject}`,
  )
}

describe('discovery warns', () => {
  it('of nothing where all is plain, and where nobody looks', () => {
    expect(rules([seenBy('a', SHOP)])).toEqual([])
    expect(rules([])).toEqual([])
  })

  it('of an engine that could not be looked at', () => {
    expect(rules([seenBy('a', { error: 'refused' }), seenBy('b', null)])).toEqual([
      'docker-unreachable a',
    ])
  })

  it('of both slots of Vardo that run, and of a volume that two apps write to', () => {
    const slot = (color: string) =>
      container(`shop-${color}`, [`shop-${color}_data:/d`], {
        labels: { ...composed(`shop-${color}`, 'web'), 'vardo.project': 'shop' },
      })
    const both = engine(
      [slot('blue'), slot('green'), container('x', ['both:/x']), container('y', ['both:/y'])],
      [composedVolume('shop-blue', 'data'), composedVolume('shop-green', 'data'), volume('both')],
    )
    expect(rules([seenBy('a', both)])).toEqual(['volume-in-doubt shop/data', 'volume-shared both'])
  })

  it('of apps that would have jobs, were there a target', () => {
    const aimless = { ...template(), targets: [], noTarget: 'none is declared' }
    const auto = { stagger: false, except: [], templates: [aimless] }
    expect(rules([seenBy('a', SHOP)], { auto })).toEqual(['no-target auto'])
  })
})
