import { rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'

const config = (encryption: string) => `
data_dir: ./state
encryption: ${encryption}
targets: { one: { type: local, path: ./one }, two: { type: local, path: ./two } }
jobs:
  files: { sources: [{ type: directory, path: ./live }], targets: [one, two] }
`

async function line(work: Workspace, id: string): Promise<string> {
  return (await work.ok(['key', 'generate', '--cryptr', '--id', id, '--json'])).document.secret
}

/** What a plan under this encryption says that nobody can open. */
async function told(work: Workspace, encryption: string): Promise<readonly string[]> {
  await work.write({ 'holdfast.yml': config(encryption) })
  const { warnings } = (await work.ok(['plan', '--json'])).document
  return warnings
    .filter(({ rule }: { readonly rule: string }) => rule === 'cannot-open')
    .map(({ subject, message }: Record<string, string>) => `${subject}: ${message}`)
}

async function backUp(work: Workspace, encryption: string): Promise<void> {
  await work.write({ 'live/a': 'a', 'holdfast.yml': config(encryption) })
  await work.ok(['backup', 'create'])
}

describe('copies that no configured key opens', () => {
  it('are told for each target by the key that is missing, and not once it is back', async () => {
    await using work = await makeWorkspace()
    const [k1, k2] = [await line(work, 'k1'), await line(work, 'k2')]
    const only = (key: string, id: string) => `{ cryptr: { keys: [${key}], key_active: ${id} } }`
    await backUp(work, only(k1, 'k1'))
    await backUp(work, only(k1, 'k1'))
    expect(await told(work, only(k1, 'k1'))).toEqual([])
    const lost = ['one', 'two'].map(
      (target) =>
        `system/files/live: 2 copies on ${target} cannot be opened by any configured key: closed with cryptr's key k1`,
    )
    expect(await told(work, only(k2, 'k2'))).toEqual(lost)
    expect(await told(work, 'none')).toEqual(lost)
    expect(await told(work, `{ cryptr: { keys: [${k2}, ${k1}], key_active: k2 } }`)).toEqual([])
    // What a history that was lost knew comes back with the manifests.
    await rm(work.at('state'), { recursive: true })
    await work.ok(['state', 'adopt'])
    expect(await told(work, only(k2, 'k2'))).toEqual(lost)
  })

  it('are told by their recipients where identities are kept here, and not where they are elsewhere', async () => {
    await using work = await makeWorkspace()
    const make = async (name: string) =>
      (await work.ok(['key', 'generate', '--out', name, '--json'])).document.id
    const [old, fresh] = [await make('old'), await make('fresh')]
    const to = (recipient: string, file: string) =>
      `{ recipients: [${recipient}], identity_file: ${file} }`
    await backUp(work, to(old, 'old'))
    expect(await told(work, to(old, 'old'))).toEqual([])
    expect(await told(work, to(fresh, 'fresh'))).toEqual(
      ['one', 'two'].map(
        (target) =>
          `system/files/live: 1 copy on ${target} cannot be opened by any configured key: closed with ${old}`,
      ),
    )
    expect(await told(work, `{ recipients: [${fresh}], identity_files: [fresh, old] }`)).toEqual([])
    expect(await told(work, `{ recipients: [${fresh}] }`)).toEqual([])
  })

  it('are not told of copies that are plain', async () => {
    await using work = await makeWorkspace()
    await backUp(work, 'none')
    const key = await line(work, 'k1')
    expect(await told(work, `{ cryptr: { keys: [${key}], key_active: k1 } }`)).toEqual([])
  })
})
