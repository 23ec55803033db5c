import { lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ArchiveDamaged, RestoreFailed } from '../../src/lib/errors.ts'
import { fill, restoreFrom, taskOf } from '../contract/source.ts'
import { type Bench, makeBench, sourceOf } from '../support/directories.ts'
import { type Member, tarOf, writeTar } from '../support/tars.ts'
import { snapshotTree, text } from '../support/trees.ts'

const NEVER = new AbortController().signal
let bench: Bench
let victim: string

beforeEach(async () => {
  bench = await makeBench()
  await mkdir(bench.live)
  await writeFile(bench.at('live', 'file'), 'live')
  victim = bench.at('victim')
  await mkdir(victim, { mode: 0o700 })
  await writeFile(bench.at('victim', 'passwd'), 'untouched', { mode: 0o600 })
})

afterEach(async () => await bench[Symbol.asyncDispose]())

const ok: Member = { name: './ok', type: 'file', content: 'ok' }
const evil = (name: string): Member => ({ name, type: 'file', content: 'evil' })

/** Restores in place, and proves that nothing but the live tree can have changed. */
async function restore(members: readonly Member[], facts = {}) {
  const before = await snapshotTree(victim)
  await writeTar(bench.at('evil.tar'), members)
  try {
    const source = sourceOf(bench.live)
    return await restoreFrom(bench.at('evil.tar'), source, taskOf({ facts }), bench.context)
  } finally {
    expect(await snapshotTree(victim)).toEqual(before)
    const around = (await readdir(bench.root)).filter((name) => !name.startsWith('.live.holdfast'))
    expect(around.sort()).toEqual(['evil.tar', 'live', 'victim'])
  }
}

describe('a hostile archive', () => {
  const attacks: readonly [string, () => readonly Member[]][] = [
    ['a name with ../', () => [ok, evil('../evil')]],
    ['a name with ../ in its middle', () => [ok, evil('./a/../../evil')]],
    ['an absolute name', () => [ok, evil(bench.at('victim', 'evil'))]],
    [
      'a hard link to an absolute name',
      () => [
        { name: './passwd', type: 'hardlink', link: bench.at('victim', 'passwd') },
        evil('./passwd'),
      ],
    ],
    [
      'a hard link to ../',
      () => [{ name: './passwd', type: 'hardlink', link: '../../victim/passwd' }],
    ],
    [
      'a file through an absolute link',
      () => [{ name: './link', type: 'symlink', link: victim }, evil('./link/evil')],
    ],
    [
      'a file through a link with ../',
      () => [{ name: './link', type: 'symlink', link: '../../victim' }, evil('./link/evil')],
    ],
    [
      'a hard link through a link',
      () => [
        { name: './link', type: 'symlink', link: victim },
        { name: './passwd', type: 'hardlink', link: './link/passwd' },
      ],
    ],
    [
      'a folder that becomes a link',
      () => [
        { name: './d/', type: 'folder', mode: '777' },
        evil('./d/first'),
        { name: './d', type: 'symlink', link: victim },
        evil('./d/evil'),
      ],
    ],
    ['a root that is a link', () => [{ name: '.', type: 'symlink', link: victim }, evil('./evil')]],
    ['a character device', () => [ok, { name: './null', type: 'character' }]],
    ['a block device', () => [ok, { name: './disk', type: 'block' }]],
  ]

  it.each(attacks)('with %s is refused, and the live tree stays', async (_, members) => {
    const attempt = restore(members())
    await expect(attempt).rejects.toBeInstanceOf(ArchiveDamaged)
    expect(await readdir(bench.live)).toEqual(['file'])
    expect(await readFile(bench.at('live', 'file'), 'utf8')).toBe('live')
  })

  it('names what is wrong with it', async () => {
    await expect(restore([evil('../evil')])).rejects.toThrow(
      /names that lead out of it: .*\.\.\/evil/,
    )
    const device: Member = { name: './dev/null', type: 'character' }
    await expect(restore([device])).rejects.toThrow('1 device nodes: ./dev/null')
  })

  it('cannot change the mode of what a link leads to', async () => {
    await restore([
      { name: './d/', type: 'folder', mode: '777' },
      { name: './d', type: 'symlink', link: victim },
      { name: './d', type: 'symlink', link: bench.at('victim', 'passwd') },
    ]).catch(() => {})
    expect((await stat(victim)).mode & 0o777).toBe(0o700)
    expect((await stat(bench.at('victim', 'passwd'))).mode & 0o777).toBe(0o600)
  })

  it('cannot write through a link by a later hard link and file of its name', async () => {
    await restore([
      { name: './s', type: 'symlink', link: bench.at('victim', 'passwd') },
      { name: './h', type: 'hardlink', link: './s' },
      evil('./h'),
    ]).catch(() => {})
    expect(await readFile(bench.at('victim', 'passwd'), 'utf8')).toBe('untouched')
  })

  it('keeps links that lead out as plain links, and counts them', async () => {
    const { warnings } = await restore([
      ok,
      { name: './abs', type: 'symlink', link: '/etc/passwd' },
      { name: './up', type: 'symlink', link: '../../x' },
      { name: './in', type: 'symlink', link: 'sub/../ok' },
    ])
    expect(warnings).toEqual([
      expect.stringMatching(/^2 symbolic links lead out of the tree.*\.\/up -> \.\.\/\.\.\/x/),
    ])
    expect(await readlink(bench.at('live', 'abs'))).toBe('/etc/passwd')
    expect(await readdir(bench.live)).toEqual(['abs', 'in', 'ok', 'up'])
  })

  it('has the device nodes left out that its manifest told of', async () => {
    const device: Member = { name: './null', type: 'character' }
    const { warnings } = await restore([ok, device], { devices: ['./null'] })
    expect(warnings).toEqual(['1 device nodes left out: ./null'])
    expect(await readdir(bench.live)).toEqual(['ok'])
  })

  it('that is cut off is refused, also between two members', async () => {
    const whole = tarOf([ok, { name: './two', type: 'file', content: 'x'.repeat(2000) }])
    for (const [end, facts] of [
      [1024 + 700, {}],
      [1024, { entries: 3 }],
    ] as const) {
      await writeFile(bench.at('evil.tar'), whole.subarray(0, end))
      const source = sourceOf(bench.live)
      const attempt = restoreFrom(bench.at('evil.tar'), source, taskOf({ facts }), bench.context)
      await expect(attempt).rejects.toBeInstanceOf(ArchiveDamaged)
    }
    expect(await readdir(bench.live)).toEqual(['file'])
  })

  it('unpacks where nobody else can look', async () => {
    const open: Member = { name: './', type: 'folder', mode: '777' }
    await writeTar(bench.at('open.tar'), [open, { ...ok, mode: '6755' }])
    const staging = await sourceOf(bench.live).stage(taskOf({}), bench.context, NEVER)
    const { leftovers } = await staging.finish(await fill(staging, bench.at('open.tar')), NEVER)
    for (const holder of leftovers) expect((await lstat(holder)).mode & 0o777).toBe(0o700)
    await staging.discard()
    expect(await readdir(bench.root)).not.toContain('.live.holdfast-staging-token1')
  })

  it('is no archive at all: refused, and named', async () => {
    await writeFile(bench.at('evil.tar'), 'nonsense'.repeat(1000))
    const attempt = restoreFrom(
      bench.at('evil.tar'),
      sourceOf(bench.live),
      taskOf({}),
      bench.context,
    )
    await expect(attempt).rejects.toThrow(/does not look like a tar archive/)
    const killed = { command: 'tar', code: null, signal: 'SIGKILL', stderr: [], stderrTotal: 0 }
    const staging = await sourceOf(bench.live).stage(taskOf({}), bench.context, NEVER)
    await expect(staging.finish(killed, NEVER)).rejects.toBeInstanceOf(RestoreFailed)
    await staging.discard()
    expect(text('ls', ['-A', bench.live])).toBe('file\n')
  })
})
