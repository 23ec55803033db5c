import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Ceph, startCeph } from '../services/ceph.ts'
import { clientOf, makeBucket } from '../services/s3-server.ts'
import { type Document, filesConfig, makeWorkspace, type Workspace } from '../support/holdfast.ts'

let ceph: Ceph
let bucket = ''
let work: Workspace

beforeAll(async () => {
  ceph = await startCeph()
  bucket = await makeBucket(ceph)
})
afterAll(() => ceph[Symbol.asyncDispose]())

const far = (more = '') =>
  `{ type: s3, bucket: ${bucket}, endpoint: "${ceph.endpoint}", prefix: deep/, access_key_id: ${ceph.accessKey}, secret_access_key: ${ceph.secretKey}${more} }`
const config = (more?: string) =>
  filesConfig('targets: [shelf, far]').replace('shelf: {', `far: ${far(more)}, shelf: {`)

beforeEach(async () => {
  await work?.[Symbol.asyncDispose]()
  work = await makeWorkspace(config())
  await work.write({ 'live/a': 'a' })
})
afterAll(() => work[Symbol.asyncDispose]())

const link = (...more: readonly string[]) =>
  work.run(['backup', 'download', 'files', '--link', ...more])

describe('backup download --link', () => {
  it('prints an address in the bucket, where anybody can fetch the archive as it is stored', async () => {
    await work.ok(['backup', 'create'])
    const { code, stdout, stderr } = await link()
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).not.toContain(ceph.secretKey)
    const answer = await fetch(stdout.trim())
    expect(answer.status).toBe(200)
    const [key = ''] = await work.archives('shelf')
    const stored = Buffer.from((await work.files('shelf'))[key] ?? '', 'latin1')
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(stored)
    expect(new URL(stdout.trim()).searchParams.get('X-Amz-Expires')).toBe('3600')
    // Another object is not opened by it, nor anything else done.
    const forged = stdout.trim().replace('.tar.zst?', '.tar.zst.manifest.json?')
    expect((await fetch(forged)).status).toBe(403)
    expect((await fetch(stdout.trim(), { method: 'DELETE' })).status).toBe(403)

    const { document } = await link('--json')
    expect(document).toMatchObject({ target: 'far', storagePath: key, sizeBytes: stored.length })
    expect((await fetch(document.link)).status).toBe(200)
    expect(Object.keys(await work.files()).filter((path) => path.endsWith('.zst'))).toEqual([
      `shelf/${key}`,
    ])
    for (const text of Object.values(await work.files('state'))) {
      expect(text).not.toContain('X-Amz-Signature')
    }
  })

  it('says so where no target makes one', async () => {
    await work.write({ 'holdfast.yml': filesConfig() })
    await work.ok(['backup', 'create'])
    const local = await link()
    expect(local.code).toBe(1)
    expect(local.stderr).toContain('no address can be made for what lies on shelf')
    expect(local.stderr).toContain('leave out --link')
  })

  it('says so where the bucket asks for a key with each request', async () => {
    const key = Buffer.alloc(32, 1).toString('base64')
    await work.write({
      'holdfast.yml': config(`, server_side_encryption: { customer_key: "${key}" }`),
    })
    const { document } = await work.ok(['backup', 'create', '--json'])
    expect(document.backups.map(({ target }: Document) => target)).toContain('far')
    const refused = await link('--json')
    expect(refused.document.error).toMatchObject({ code: 'refused' })
    expect(refused.document.error.message).toMatch(/what lies on (far, shelf|shelf, far)/)
  })

  it('gives none for what is gone from the bucket, and takes no file', async () => {
    await work.ok(['backup', 'create'])
    const { document } = await link('--json')
    const Key = `deep/${document.storagePath}`
    await clientOf(ceph).send(new DeleteObjectCommand({ Bucket: bucket, Key }))
    const gone = await link('--json')
    expect(gone.code).toBe(1)
    expect(gone.document.error.code).toBe('object_missing')
    expect((await link('here')).stderr).toContain('--link writes no file')
  })
})
