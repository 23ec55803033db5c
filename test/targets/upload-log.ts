import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BegunUpload, UploadLog } from '../../src/targets/target.ts'

/** A log of uploads that two processes share: a file for each in `folder`. */
export function fileLog(folder: string): UploadLog {
  const file = (id: string) => join(folder, encodeURIComponent(id))
  return {
    began: async (upload) => writeFileSync(file(upload.id), JSON.stringify(upload)),
    over: async (id) => rmSync(file(id), { force: true }),
    open: async () =>
      readdirSync(folder).map(
        (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as BegunUpload,
      ),
  }
}
