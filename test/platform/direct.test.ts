import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { directWriter, readDirect } from '../../src/platform/direct.ts'
import { mountTmpfs } from '../support/mounts.ts'

const MIB = 1024 * 1024

describe('a direct writer', () => {
  it('leaves exactly the bytes it was given, however they were cut', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-direct-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const sizes = fc.array(fc.constantFrom(0, 1, 4095, 4096, 500_000, MIB - 1, MIB, MIB + 1), {
      maxLength: 9,
    })

    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 3 }), async (lengths, together) => {
        const path = join(folder, 'file')
        const pieces = lengths.map((length, at) => Buffer.alloc(length, `${at} `))
        await write(path, pieces, together)
        expect((await readFile(path)).equals(Buffer.concat(pieces))).toBe(true)
        await rm(path)
      }),
      { numRuns: 40 },
    )
  })

  it('tells of a disk that is full, at the latest at the end', async () => {
    await using disk = await mountTmpfs('4m')
    const path = join(disk.path, 'file')
    const pieces = Array.from({ length: 8 }, () => Buffer.alloc(MIB, 'x'))

    await expect(write(path, pieces, 1)).rejects.toMatchObject({ code: 'ENOSPC' })
  })
})

describe('a direct read', () => {
  it('gives every byte in order, also where the disk knows no such thing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-direct-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'file')
    for (const size of [0, 1, MIB - 1, MIB, 3 * MIB + 4095, 4 * MIB]) {
      const bytes = randomBytes(size)
      await writeFile(path, bytes)
      for (const place of [path, '/proc/none']) {
        await using file = await open(path)
        const pieces: Uint8Array[] = []
        for await (const piece of readDirect(file, place)) pieces.push(piece)
        expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
      }
    }
  })
})

async function write(path: string, pieces: readonly Buffer[], together: number): Promise<void> {
  await using file = await open(path, 'wx')
  await using writer = directWriter(file, path)
  for (let at = 0; at < pieces.length; at += together) {
    await writer.write(pieces.slice(at, at + together))
  }
  await writer.end()
}
