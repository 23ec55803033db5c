import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appNames, fitName } from '../../src/core/app-names.ts'
import { container, engine, volume } from './docker-nouns.ts'

const labelled = (labels: Record<string, string>) => {
  const one = container('web', ['data:/data'], { labels })
  return appNames(engine([one], [volume('data')]), []).ofContainer(one)
}

describe('an app', () => {
  it('is of Vardo by either of its labels, and another one in another environment', () => {
    expect(labelled({ 'vardo.project': 'blog' })).toBe('blog')
    expect(labelled({ 'host.project': 'blog', 'vardo.environment': 'production' })).toBe('blog')
    expect(labelled({ 'host.project': 'blog', 'vardo.environment': 'staging' })).toBe(
      'blog-staging',
    )
  })

  it.each([
    ['my shop', /^my-shop-[0-9a-f]{8}$/],
    ['../../etc', /^etc-[0-9a-f]{8}$/],
    ['Größe', /^Gr-e-[0-9a-f]{8}$/],
    ['日本', /^unnamed-[0-9a-f]{8}$/],
    ['a'.repeat(200), /^a{80}-[0-9a-f]{8}$/],
    ['shop_1.2-b', /^shop_1\.2-b$/],
  ])('goes by a name that keys may hold: %s', (project, name) => {
    expect(labelled({ 'com.docker.compose.project': project })).toMatch(name)
  })
})

describe('a name that is made to fit', () => {
  it('holds nothing that a key may not, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const fit = fitName(name)
        expect(fit).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,88}$/)
      }),
    )
  })

  it('is no other than that of another one that looks the same', () => {
    const alike = ['my shop', 'my  shop', 'my/shop', 'my-shop', '/my-shop']
    expect(new Set(alike.map(fitName)).size).toBe(alike.length)
  })
})
