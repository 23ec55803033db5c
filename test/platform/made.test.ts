import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const HOUR = 3_600

it('a program that is made takes away what killed ones left of theirs, and programs long unused', async () => {
  const { programOf } = await import(join(ROOT, 'bin', 'made.mjs'))
  const root = await mkdtemp(join(tmpdir(), 'holdfast-made-'))
  try {
    for (const folder of ['bin', 'src', 'schema', '.programs']) await mkdir(join(root, folder))
    for (const name of ['package.json', 'package-lock.json', 'bin/build.mjs', 'bin/compile.mjs']) {
      await writeFile(join(root, name), '')
    }
    await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
    const age = async (name: string, hours: number) => {
      const path = join(root, '.programs', name)
      await mkdir(path)
      const at = Date.now() / 1000 - hours * HOUR
      await utimes(path, at, at)
    }
    const used = Array.from({ length: 9 }, (_, index) => `${index}`.repeat(16))
    for (const [index, name] of used.entries()) await age(name, 20 - index)
    await age('aaaaaaaaaaaaaaaa.killed', 1)
    await age('aaaaaaaaaaaaaaaa.atwork', 0)
    const made = basename(programOf(root))
    expect((await readdir(join(root, '.programs'))).sort()).toEqual(
      [...used.slice(2), 'aaaaaaaaaaaaaaaa.atwork', made].sort(),
    )
  } finally {
    await rm(root, { recursive: true })
  }
})
