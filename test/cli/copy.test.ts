import { spawnSync } from 'node:child_process'
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'

const TWO = `
data_dir: ./state
targets: { one: { type: local, path: ./one }, two: { type: local, path: ./two } }
jobs:
  files:
    sources: [{ type: directory, path: ./live }]
    targets: [one, two]
    require: 1
`

async function withFiles(config: string): Promise<Workspace> {
  const work = await makeWorkspace(config)
  await work.write({ 'live/a.txt': 'content' })
  await work.ok(['apply', '--yes'])
  return work
}

/** A file where the folder of the target should be: nothing can be written or listed there. */
async function unplug(work: Workspace, target: string): Promise<void> {
  await rename(work.at(target), work.at(`${target}.away`)).catch(() => {})
  await writeFile(work.at(target), 'no folder')
}

async function plugIn(work: Workspace, target: string): Promise<void> {
  await rm(work.at(target))
  await rename(work.at(`${target}.away`), work.at(target)).catch(() => mkdir(work.at(target)))
}

describe('a target that was away during a backup', () => {
  it('costs a partial success, shows as a copy in plan, and has it after the next pass', async () => {
    await using work = await withFiles(TWO)
    await unplug(work, 'two')

    const partial = await work.run(['backup', 'create', 'files'])
    expect(partial.code).toBe(3)
    await plugIn(work, 'two')

    const planned = await work.run(['plan', '--json', '--exit-code'])
    expect(planned.code).toBe(2)
    expect(planned.document.actions).toMatchObject([
      { kind: 'copy', subject: 'files', target: 'two', because: { rule: 'copy-lost' } },
      { kind: 'verify' },
    ])
    const repaired = await work.run(['apply', '--yes'])
    expect(repaired.code).toBe(0)

    expect(await work.files('two')).toEqual(await work.files('one'))
    expect((await work.run(['plan', '--exit-code'])).code).toBe(0)
    const rows = (await work.ok(['backup', 'list', '--json'])).document.backups
    expect(rows.map((row: { target: string; status: string }) => [row.target, row.status])).toEqual(
      [
        ['one', 'success'],
        ['two', 'success'],
      ],
    )
    expect((await work.run(['backup', 'verify', '--all'])).code).toBe(0)
  })

  it('is given no copy of bytes that are not those that were written', async () => {
    await using work = await withFiles(TWO)
    await unplug(work, 'two')
    await work.run(['backup', 'create', 'files'])
    await plugIn(work, 'two')
    const [key = ''] = await work.archives('one')
    const { size } = await stat(work.at('one', key))
    await writeFile(work.at('one', key), Buffer.alloc(size, 7))

    const repaired = await work.run(['apply', '--yes'])

    expect(repaired.code).toBe(14)
    expect(repaired.stderr + repaired.stdout).toMatch(/is not what was written/)
    expect(await work.archives('two')).toEqual([])
  })
})

describe('a job whose targets want its archives closed in different ways', () => {
  it('reads its source once, closes each copy as wanted, and restores from either', async () => {
    await using work = await makeWorkspace()
    const { code, stdout } = await keygen(work)
    expect(code).toBe(0)
    await work.write({
      'holdfast.yml': `
data_dir: ./state
encryption: { recipients: [${stdout}], identity_file: ./age.key }
targets: { one: { type: local, path: ./one }, two: { type: local, path: ./two } }
jobs:
  files:
    sources: [{ type: command, backup: [sh, -c, 'echo read >> reads; echo content'] }]
    targets: [{ name: one, encryption: none }, two]
    require: 1
`,
    })
    await work.ok(['apply', '--yes'])
    await unplug(work, 'two')
    expect((await work.run(['backup', 'create', 'files'])).code).toBe(3)
    await plugIn(work, 'two')
    expect((await work.run(['apply', '--yes'])).code).toBe(0)
    expect((await work.run(['backup', 'create', 'files'])).code).toBe(0)

    expect(await work.read('reads')).toBe('read\nread\n')
    expect((await work.archives('one')).map(ending)).toEqual(['.zst', '.zst'])
    expect((await work.archives('two')).map(ending)).toEqual(['.zst.age', '.zst.age'])
    expect((await work.run(['backup', 'verify', '--all'])).code).toBe(0)
    for (const target of ['one', 'two']) {
      await unplug(work, target)
      const to = work.at(`restored-${target}`)
      expect((await work.run(['restore', 'files', '--to', to, '--yes'])).code).toBe(0)
      await plugIn(work, target)
    }
  })
})

function ending(key: string): string {
  return key.slice(key.indexOf('Z.') + 1)
}

/** An age identity in `age.key`; its public key is what is printed. */
async function keygen(work: Workspace): Promise<{ code: number | null; stdout: string }> {
  const made = spawnSync('age-keygen', ['-o', work.at('age.key')], { encoding: 'utf8' })
  const [, recipient = ''] = /(age1\w+)/.exec(made.stderr) ?? []
  return { code: made.status, stdout: recipient }
}
