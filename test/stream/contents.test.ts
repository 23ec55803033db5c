import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { ArchiveDamaged, Refused } from '../../src/lib/errors.ts'
import { listContents } from '../../src/stream/contents.ts'
import { seal } from '../../src/stream/seal.ts'
import { children, collect, folder, inChunks, never, pair, plain } from './support.ts'

const at = folder()

async function archive() {
  await mkdir(at('tree'), { recursive: true })
  await writeFile(at('tree/one'), randomBytes(400_000))
  await writeFile(at('tree/two\nlines'), 'x')
  const program = { command: 'tar', args: ['-C', at('tree'), '-cf', '-', 'one', 'two\nlines'] }
  const { sealing, identity } = await pair()
  const recipe = {
    ...plain,
    layer: 'tar',
    compression: { kind: 'zstd', level: 1 },
    encryption: sealing,
  } as const
  const { body, layers } = seal({ kind: 'program', program }, recipe, async () => {}, never)
  return { bytes: await collect(body), opening: { layers, keys: [identity] } }
}

async function lines(list: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = []
  for await (const line of list) all.push(line)
  return all
}

describe('a list of contents', () => {
  it('has a line for each member', async () => {
    const { bytes, opening } = await archive()
    const all = await lines(listContents(inChunks(bytes, 65536), opening, never))
    expect(all.map((line) => line.split(' ').at(-1))).toEqual(['one', 'two\\nlines'])
  })

  it('ends with an error for an archive that is torn, cut off or of another kind', async () => {
    const { bytes, opening } = await archive()
    const cut = lines(listContents(inChunks(bytes.subarray(0, 200_000), 65536), opening, never))
    await expect(cut).rejects.toBeInstanceOf(ArchiveDamaged)
    const torn = new Error('connection lost')
    async function* failing() {
      yield bytes.subarray(0, 200_000)
      throw torn
    }
    await expect(lines(listContents(failing(), opening, never))).rejects.toBe(torn)
    const file = listContents(inChunks(bytes), { layers: ['sqlite'], keys: [] }, never)
    await expect(lines(file)).rejects.toBeInstanceOf(Refused)
    expect(children('tar')).toEqual([])
  })

  it('lets everything go when its reader has seen enough', async () => {
    const { bytes, opening } = await archive()
    for await (const _ of listContents(inChunks(bytes, 65536), opening, never)) break
    await expect.poll(() => [...children('tar'), ...children('zstd')]).toEqual([])
  })
})
