import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { Shelf } from '../support/shelf.ts'

/** Where the target keeps its objects in the bucket. */
const PREFIX = 'deep/'

export interface Bucket {
  readonly client: S3Client
  readonly name: string
  /** A folder of this machine for what is read. */
  readonly folder: string
}

/**
 * A bucket by a client of the test's own. An upload that is not over is shown as an object whose
 * key is the upload's, with its id and `.part` behind; it holds what the server tells of its parts.
 */
export function bucketShelf(
  target: string,
  { client, name, folder }: Bucket,
  block: Shelf['block'],
): Shelf {
  const at = (key: string) => ({ Bucket: name, Key: PREFIX + key })
  return {
    name: target,
    block: { ...block, type: 's3', bucket: name, prefix: PREFIX },
    async keys() {
      const [objects, uploads] = await Promise.all([
        client.send(new ListObjectsV2Command({ Bucket: name })),
        client.send(new ListMultipartUploadsCommand({ Bucket: name })),
      ])
      if (objects.IsTruncated || uploads.IsTruncated) throw new Error('more than a page')
      const begun = (uploads.Uploads ?? []).map(({ Key, UploadId }) => `${Key}?${UploadId}.part`)
      const keys = [...(objects.Contents ?? []).map(({ Key = '' }) => Key), ...begun]
      return keys.map((key) => {
        if (!key.startsWith(PREFIX)) throw new Error(`${key} is outside of the prefix`)
        return key.slice(PREFIX.length)
      })
    },
    async file(key) {
      const [, object = key, UploadId] = /^(.*)\?(.*)\.part$/.exec(key) ?? []
      const path = join(folder, createHash('sha256').update(`${target}/${key}`).digest('hex'))
      await mkdir(folder, { recursive: true })
      if (UploadId === undefined) {
        const { Body } = await client.send(new GetObjectCommand(at(object)))
        await writeFile(path, (await Body?.transformToByteArray()) ?? '')
      } else {
        const { Parts = [] } = await client.send(new ListPartsCommand({ ...at(object), UploadId }))
        const told = Parts.map(({ PartNumber, ETag, Size }) => ({ PartNumber, ETag, Size }))
        await writeFile(path, JSON.stringify(told))
      }
      return path
    },
    async put(key, content) {
      await client.send(new PutObjectCommand({ ...at(key), Body: content }))
    },
    async putOddity(group) {
      const upload = at(`${group}/2020-01-03T00-00-00-000Z.tar.zst`)
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(upload))
      const part = { ...upload, UploadId, PartNumber: 1, Body: 'half of theirs' }
      await client.send(new UploadPartCommand(part))
    },
  }
}
