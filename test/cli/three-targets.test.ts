import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { makeBucket } from '../services/s3-server.ts'
import { type Sshd, startSshd } from '../services/sshd.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'
import { type FaultyLink, startProxy } from '../support/proxy.ts'
import { makeDatabase } from '../support/sqlite.ts'

let ceph: Ceph
let sshd: Sshd

beforeAll(async () => {
  ceph = await startCeph()
  sshd = await startSshd()
})
afterAll(async () => {
  await sshd?.[Symbol.asyncDispose]()
  await ceph?.[Symbol.asyncDispose]()
})

/** The job of the quickstart, to this machine, a bucket and another machine at once, each far one by a link that can break. */
async function withThreeTargets(links: { readonly s3: FaultyLink; readonly ssh: FaultyLink }) {
  const work = await makeWorkspace(`
data_dir: ./state
targets:
  shelf: { type: local, path: ./shelf }
  offsite:
    type: s3
    bucket: ${await makeBucket(ceph)}
    endpoint: ${links.s3.endpoint}
    region: us-east-1
    prefix: prod/
    access_key: ${ceph.accessKey}
    secret_key: ${ceph.secretKey}
  nas:
    type: ssh
    host: 127.0.0.1
    port: ${new URL(links.ssh.endpoint).port}
    username: ${sshd.username}
    path: ./nas
    private_key_file: ./id
jobs:
  notes:
    sources:
      - { type: sqlite, path: ./notes.db }
      - { type: directory, path: ./attachments }
    targets: [shelf, offsite, nas]
    require: 2
`)
  const config = await work.read('holdfast.yml')
  await work.write({
    'holdfast.yml': config.replace('path: ./nas', `path: ${work.at('nas')}`),
    'attachments/a.txt': 'content',
    id: sshd.keys.plain,
  })
  makeDatabase(work.at('notes.db'), 'wal')
  expect((await work.run(['apply', '--yes'])).code).toBe(0)
  return work
}

/** Status of each copy of each source, newest backup alone. */
async function copies(work: Workspace): Promise<Readonly<Record<string, string>>> {
  const { backups } = (await work.ok(['backup', 'list', '--json'], {})).document
  const newest = backups.map((row: { run: string }) => row.run)[0]
  return Object.fromEntries(
    backups
      .filter((row: { run: string }) => row.run === newest)
      .map((row: { source: string; target: string; status: string }) => [
        `${row.source} ${row.target}`,
        row.status,
      ]),
  )
}

describe('a job of three targets: this machine, a bucket and another machine', () => {
  it.each(['s3', 'ssh'] as const)(
    'goes on by quorum without %s, shows what lacks in plan, and is whole after the next pass',
    async (plug) => {
      await using s3 = await startProxy(ceph.port)
      await using ssh = await startProxy(sshd.port)
      const links = { s3, ssh }
      await using work = await withThreeTargets(links)
      expect((await work.run(['backup', 'create'])).code).toBe(0)

      links[plug].cutAfter('up', 0, 'stay dead')
      const partial = await work.run(['backup', 'create', '--json'])
      expect(partial.code).toBe(3)
      links[plug].heal()

      const away = plug === 's3' ? 'offsite' : 'nas'
      const planned = await work.run(['plan', '--json', '--exit-code'])
      expect(planned.code).toBe(2)
      const lacking = planned.document.actions.filter(
        ({ kind }: { kind: string }) => kind === 'copy',
      )
      expect(lacking).toMatchObject([{ target: away }, { target: away }])
      expect((await work.run(['apply', '--yes'])).code).toBe(0)
      expect(new Set(Object.values(await copies(work)))).toEqual(new Set(['success']))
      expect((await work.run(['plan', '--exit-code'])).code).toBe(0)
      expect((await work.run(['backup', 'verify', '--all'])).code).toBe(0)
    },
    240_000,
  )

  it('restores from the first that answers, and says which', async () => {
    await using s3 = await startProxy(ceph.port)
    await using ssh = await startProxy(sshd.port)
    await using work = await withThreeTargets({ s3, ssh })
    expect((await work.run(['backup', 'create'])).code).toBe(0)
    await work.write({
      'holdfast.yml': (await work.read('holdfast.yml')).replace('./shelf', './gone'),
    })

    const all = await work.run(['restore', 'notes/attachments', '--to', work.at('one')])
    expect([all.code, all.stdout + all.stderr]).toEqual([0, expect.stringContaining('offsite')])
    s3.cutAfter('up', 0, 'stay dead')
    const left = await work.run(['restore', 'notes/attachments', '--to', work.at('two')])
    expect([left.code, left.stdout + left.stderr]).toEqual([0, expect.stringContaining('nas')])
    expect(await work.files('two')).toEqual({ 'a.txt': 'content' })
  }, 240_000)
})
