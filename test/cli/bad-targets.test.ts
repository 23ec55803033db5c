import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { makeBucket } from '../services/s3-server.ts'
import { type Sshd, startSshd } from '../services/sshd.ts'
import { makeWorkspace, type Workspace } from '../support/holdfast.ts'

let ceph: Ceph
let sshd: Sshd
let bucket: string

beforeAll(async () => {
  ceph = await startCeph()
  sshd = await startSshd()
  bucket = await makeBucket(ceph)
})
afterAll(async () => {
  await sshd?.[Symbol.asyncDispose]()
  await ceph?.[Symbol.asyncDispose]()
})

type Block = Readonly<Record<string, string | number>>

function s3Block(over: Block): Block {
  const { endpoint, accessKey: access_key_id, secretKey: secret_access_key } = ceph
  return {
    type: 's3',
    bucket,
    endpoint,
    region: 'us-east-1',
    access_key_id,
    secret_access_key,
    ...over,
  }
}

function sshBlock(work: Workspace, over: Block): Block {
  const { port, username } = sshd
  const path = work.at('nas')
  return { type: 'ssh', host: '127.0.0.1', port, username, path, private_key_file: './id', ...over }
}

async function withTargets(
  far: (work: Workspace) => Block,
  targets: readonly string[] = ['far'],
): Promise<Workspace> {
  const work = await makeWorkspace()
  const block = JSON.stringify(far(work))
  await work.write({
    'live/a.txt': 'content',
    id: sshd.keys.plain,
    stranger: sshd.keys.stranger,
    'holdfast.yml': `
data_dir: ./state
targets: { far: ${block}, shelf: { type: local, path: ./shelf } }
jobs:
  files:
    sources: [{ type: directory, path: ./live }]
    targets: [${targets.join(', ')}]
    require: 1
`,
  })
  return work
}

const CASES: readonly (readonly [string, (work: Workspace) => Block, RegExp])[] = [
  [
    'a server that is not there',
    () => s3Block({ endpoint: 'http://127.0.0.1:9' }),
    /write .*files/,
  ],
  ['a bucket that is not there', () => s3Block({ bucket: 'nobody-made-this' }), /nobody-made-this/],
  ['a key that is not known', () => s3Block({ access_key_id: 'NOBODY' }), /write .*files/],
  ['a wrong secret', () => s3Block({ secret_access_key: 'wrong-hunter2' }), /write .*files/],
  ['a host that is not there', (work) => sshBlock(work, { port: 9 }), /127\.0\.0\.1/],
  ['a key that is refused', (work) => sshBlock(work, { private_key_file: './stranger' }), /key/],
  ['a host key that changed', (work) => sshBlock(work, { host_key: OTHER_HOST }), /host_key/],
  ['a folder that may not be made', (work) => sshBlock(work, { path: '/proc/nas' }), /\/proc\/nas/],
]
const OTHER_HOST = `SHA256:${'A'.repeat(43)}`

describe('a far target that cannot be used', () => {
  it.each(CASES)('%s: exit code 13, named, and no word of a secret', async (_what, far, says) => {
    await using work = await withTargets(far)
    const ran = await work.run(['backup', 'create', '--json'])
    const told = ran.stdout + ran.stderr
    expect([ran.code, told]).toEqual([13, expect.stringMatching(/^\s*hint: /m)])
    const [row] = ran.document.backups
    expect(told).toMatch(/backup of files\/live failed: far: /)
    expect(row.error).toMatch(says)
    expect(told).not.toContain('hunter2')
    expect(told).not.toContain(ceph.secretKey)
    const { backups } = (await work.run(['backup', 'list', '--json'])).document
    expect(backups.map((row: { status: string }) => row.status)).toEqual(['failed'])
  })

  it.each(CASES)('%s: costs no other target its copy', async (_what, far) => {
    await using work = await withTargets(far, ['shelf', 'far'])
    expect((await work.run(['backup', 'create'])).code).toBe(3)
    expect(await work.archives('shelf')).toHaveLength(1)
    // What cannot be looked at is no reason to fail a look, and nothing is deleted on its word.
    const plan = await work.run(['plan', '--json'])
    expect(plan.code).toBe(0)
    expect(plan.document.summary).toMatchObject({ deletes: 0, missing: 0 })
  })
})
