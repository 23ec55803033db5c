import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  archiveKey,
  archiveOfManifest,
  archiveOfPin,
  groupPrefix,
  isArchiveKey,
  isManifestOf,
  listPrefix,
  listPrefixes,
  manifestKey,
  pinKey,
} from '../../src/core/archive-key.ts'
import type { GroupId, Instant, JobId } from '../../src/core/model.ts'
import { covering } from '../../src/core/prefixes.ts'
import { at, job, source } from './plan-nouns.ts'

const START = at('2026-11-20T02:00:00.123Z')
const files = source('shop', 'files')

describe('the key of an archive', () => {
  it('is its group, the start in UTC and the extension', () => {
    const shop = job('shop')
    expect(archiveKey(shop, files, START, '.tar.zst')).toBe(
      'system/shop/files/2026-11-20T02-00-00-123Z.tar.zst',
    )
    expect(groupPrefix(files)).toBe('system/shop/files/')
  })

  it('follows the template of its job, with the extension after it', () => {
    const path = '{org}/{app}/{job}/{yyyy}/{mm}/{dd}/{source}-{timestamp}'
    const shop = job('shop', {}, { path, organization: 'acme', app: 'web', name: 'nightly' })
    const key = archiveKey(shop, files, START, '.tar.zst.age')
    expect(key).toBe('acme/web/nightly/2026/11/20/files-2026-11-20T02-00-00-123Z.tar.zst.age')
    expect(listPrefix(shop, files)).toBe('acme/web/nightly/')
  })

  it('is the whole template where that ends in .sqlite, as the names of Hiqlite do', () => {
    const rauthy = job('hiqlite', {}, { path: 'backup_node_1_{unix}.sqlite' })
    expect(archiveKey(rauthy, files, START, '.sqlite.cryptr')).toBe(
      'backup_node_1_1795140030.sqlite',
    )
    expect(listPrefixes(rauthy, files)).toEqual(['backup_node_1_', '.holdfast/backup_node_1_'])
  })

  it('does not read placeholders out of names', () => {
    const odd = { ...files, name: '{timestamp}' }
    expect(archiveKey(job('shop', {}, { path: '{source}/{timestamp}' }), odd, START, '')).toBe(
      '{timestamp}/2026-11-20T02-00-00-123Z',
    )
  })

  it('begins with the prefix that is listed for it, whenever it was made', () => {
    const parts = fc.constantFrom(
      '{org}',
      '{app}',
      '{job}',
      '{source}',
      '{timestamp}',
      '{yyyy}',
      '{mm}',
      '{dd}',
      '/',
      '-',
      'x',
    )
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1 }), fc.nat(4102444800000), (template, now) => {
        const shop = job('shop', {}, { path: template.join('') })
        const key = archiveKey(shop, files, now as Instant, '.tar')
        expect(key.startsWith(listPrefix(shop, files))).toBe(true)
        expect(covering(listPrefixes(shop, files))(key)).toBe(true)
      }),
    )
  })

  it('is looked for under the former name of a renamed job too', () => {
    const shop = job('store', {}, { renamedFrom: 'shop' as JobId })
    const now = source('store', 'files')
    expect(listPrefixes(shop, now)).toContain('system/shop/files/')
    expect(listPrefixes(shop, now)).toContain('system/store/files/')
    const acme = job('store', {}, { organization: 'acme', renamedFrom: 'acme/shop' as JobId })
    const own = { ...now, group: 'acme/store/files' as GroupId }
    expect(listPrefixes(acme, own)).toContain('acme/shop/files/')
  })
})

describe('what lies beside an archive', () => {
  it('is told apart from it by its name', () => {
    const key = 'system/shop/files/x.tar.zst'
    expect(archiveOfManifest(manifestKey(key))).toBe(key)
    expect(archiveOfPin(pinKey(key))).toBe(key)
    expect(isManifestOf(key, manifestKey(key))).toBe(true)
    expect(isManifestOf(key, manifestKey(`${key.slice(0, -1)}x`))).toBe(false)
    expect(isManifestOf(key, pinKey(key))).toBe(false)
    expect(archiveOfManifest(pinKey(key))).toBeNull()
    expect(archiveOfManifest(key)).toBeNull()
    expect([key, manifestKey(key), pinKey(key)].map(isArchiveKey)).toEqual([true, false, false])
  })
})

describe('prefixes', () => {
  it('cover what begins with one of them, and nothing else', () => {
    const keys = fc.stringMatching(/^[ab/]{0,6}$/)
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 8 }), keys, (prefixes, key) => {
        expect(covering(prefixes)(key)).toBe(prefixes.some((prefix) => key.startsWith(prefix)))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('what belongs to an archive of Hiqlite', () => {
  const archive = 'backup_node_1_1795140000.sqlite'

  it('stands under .holdfast, where its clean-up does not look', () => {
    expect(manifestKey(archive)).toBe(`.holdfast/${archive}.manifest.json`)
    expect(pinKey(archive)).toBe(`.holdfast/${archive}.pin.json`)
    expect(archiveOfManifest(manifestKey(archive))).toBe(archive)
    expect(archiveOfPin(pinKey(archive))).toBe(archive)
    expect(isArchiveKey(archive)).toBe(true)
    expect(isManifestOf(archive, manifestKey(archive))).toBe(false)
  })

  it('stands beside it where the archive is in a folder, or has another name', () => {
    for (const key of [`a/${archive}`, 'backup_node_x_1.sqlite', '.holdfast/other']) {
      expect(manifestKey(key)).toBe(`${key}.manifest.json`)
      expect(archiveOfManifest(manifestKey(key))).toBe(key)
    }
  })
})
