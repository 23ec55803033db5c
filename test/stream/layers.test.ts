import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ArchiveDamaged, CannotDecrypt } from '../../src/lib/errors.ts'
import { layersOfName, peelLayers } from '../../src/stream/layers.ts'
import { ageEncrypt } from '../support/sealing.ts'
import { collect, folder, inChunks, never, pair } from './support.ts'

const at = folder()

async function contents() {
  await writeFile(at('file'), randomBytes(5000))
  const tar = (format: string) =>
    execFileSync('tar', ['-C', at(''), `--format=${format}`, '-cf', '-', 'file'])
  const database = new DatabaseSync(at('db'))
  database.exec('create table if not exists t (a)')
  database.close()
  const sqlite = execFileSync('cat', [at('db')])
  return { gnu: tar('gnu'), posix: tar('posix'), v7: tar('v7'), sqlite }
}

/** Random, and by no chance the beginning of anything. */
function noise(size: number): Buffer {
  const bytes = randomBytes(size)
  bytes[0] = 0xff
  return bytes
}

describe('layers by name', () => {
  it('are told by the chain of extensions', () => {
    expect(layersOfName('a/2026-11-20T02-00-00-000Z.tar.zst.age')).toEqual(['tar', 'zstd', 'age'])
    expect(layersOfName('x.tar.gz')).toEqual(['tar', 'gzip'])
    expect(layersOfName('x.tgz')).toEqual(['tar', 'gzip'])
    expect(layersOfName('backup_node_1_1700000000.sqlite')).toEqual(['sqlite'])
    expect(layersOfName('x.dump.gz')).toEqual(['raw', 'gzip'])
    expect(layersOfName('x.age.d')).toEqual(['raw'])
  })
})

describe('layers by content', () => {
  it('are told down to the innermost when they can be opened', async () => {
    const { gnu, posix, v7, sqlite } = await contents()
    const { sealing, identity } = await pair()
    const encrypted = (bytes: Uint8Array) => collect(ageEncrypt(sealing, never)(inChunks(bytes)))
    const peel = (bytes: Uint8Array, name = 'x') =>
      peelLayers(inChunks(bytes, 100), name, [identity], never)
    expect(await peel(await encrypted(zstdCompressSync(gnu)))).toEqual(['tar', 'zstd', 'age'])
    expect(await peel(gzipSync(sqlite))).toEqual(['sqlite', 'gzip'])
    expect(await peel(await encrypted(sqlite))).toEqual(['sqlite', 'age'])
    expect(await peel(gnu)).toEqual(['tar'])
    expect(await peel(posix, 'x.sqlite')).toEqual(['tar'])
    expect(await peel(v7)).toEqual(['tar'])
    expect(await peel(sqlite, 'x.tar')).toEqual(['sqlite'])
    expect(await peel(gzipSync(gnu), 'x.tar')).toEqual(['tar', 'gzip'])
    expect(await peel(Buffer.alloc(0))).toBeNull()
    expect(await peel(zstdCompressSync(noise(9000)))).toEqual(['raw', 'zstd'])
    expect(await peel(noise(9000))).toBeNull()
    expect(await peel(Buffer.alloc(10_240), 'x.tar')).toEqual(['tar'])
    expect(await peel(zstdCompressSync(noise(5)))).toEqual(['raw', 'zstd'])
    await expect(peel(zstdCompressSync(gnu).subarray(0, 20))).rejects.toBeInstanceOf(ArchiveDamaged)
    const foreign = await collect(ageEncrypt((await pair()).sealing, never)(inChunks(gnu)))
    await expect(peel(foreign)).rejects.toBeInstanceOf(CannotDecrypt)
  })

  it('take no more of a body than the beginning', async () => {
    let ended = false
    async function* endless() {
      try {
        for (;;) yield noise(1000)
      } finally {
        ended = true
      }
    }
    expect(await peelLayers(endless(), 'x', [], never)).toBeNull()
    expect(ended).toBe(true)
  })
})
