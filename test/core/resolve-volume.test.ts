import { describe, expect, it } from 'vitest'
import { appsIn } from '../../src/core/apps.ts'
import { resolveVolume } from '../../src/core/resolve-volume.ts'
import {
  composed,
  composedVolume,
  container,
  discovering,
  engine,
  SHOP,
  volume,
} from './docker-nouns.ts'

const meant = (seen: Parameters<typeof resolveVolume>[2], app = 'shop', name = 'data') =>
  resolveVolume(app, name, seen)?.dockerName ?? null

describe('the volume that an app means', () => {
  it('is never that of another app whose name begins alike, whoever is up', () => {
    const ours = composedVolume('shop', 'data')
    const theirs = composedVolume('shop-api', 'data')
    for (const state of ['running', 'exited']) {
      const users = ['shop-api-web-1', 'shop-web-1'].map((name) => {
        const app = name.replace('-web-1', '')
        return container(name, [`${app}_data:/data`], { labels: composed(app, 'web'), state })
      })
      expect(meant(engine(users, [theirs, ours]))).toBe('shop_data')
      expect(meant(engine(users, [theirs, ours]), 'shop-api')).toBe('shop-api_data')
    }
    expect(meant(engine([], [theirs]))).toBeNull()
  })

  it('is none of another environment, with labels or without', () => {
    const under = engine([], [volume('my_shop-staging_data')])
    expect(appsIn(under, discovering({ apps: [{ name: 'my_shop' }] as never }))).toMatchObject([
      { name: 'my_shop-staging', volumes: [{ name: 'data' }] },
    ])
    for (const staging of [volume('shop-staging_data'), composedVolume('shop-staging', 'data')]) {
      expect(meant(engine([], [staging]))).toBeNull()
      expect(meant(engine([], [staging]), 'shop-staging')).toBe('shop-staging_data')
      const apps = appsIn(engine([], [staging]), discovering({ apps: [{ name: 'shop' }] as never }))
      expect(apps.map(({ name }) => name)).toEqual(['shop-staging'])
    }
  })

  it('is of the slot that runs, else blue before green before production before its own name', () => {
    const names = ['shop_data', 'shop-production_data', 'shop-green_data', 'shop-blue_data']
    const volumes = names.map((name) => volume(name))
    for (let count = 1; count <= names.length; count++) {
      expect(meant(engine([], volumes.slice(0, count)))).toBe(names[count - 1])
    }
    const up = container('shop-web-1', ['shop-production_data:/data'], {
      labels: composed('shop', 'web'),
    })
    expect(meant(engine([up], volumes))).toBe('shop-production_data')
  })

  it('is of a slot that nobody runs in, and of no app of that name', () => {
    const volumes = [composedVolume('shop', 'data'), composedVolume('shop-blue', 'data')]
    expect(meant(engine([], volumes))).toBe('shop-blue_data')
    const other = container('shop-blue-web-1', ['shop-blue_data:/data'], {
      labels: composed('shop-blue', 'web'),
    })
    expect(meant(engine([other], volumes))).toBe('shop_data')
  })

  it('is what compose calls so, and what a container of the app has from elsewhere', () => {
    expect(meant(SHOP, 'shop', 'uploads')).toBe('shop_uploads')
    const user = container('shop-web-1', ['outside:/data'], { labels: composed('shop', 'web') })
    expect(meant(engine([user], [volume('outside')]), 'shop', 'outside')).toBe('outside')
  })
})
