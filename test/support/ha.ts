import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Instant } from '../../src/core/model.ts'
import { newAgeKey } from '../../src/stream/new-key.ts'

/** What `examples/ha` needs from outside; nothing runs at the usual addresses. */
export interface Surroundings {
  readonly state?: string
  readonly redis?: string
  readonly endpoint?: string
  readonly accessKey?: string
  readonly secretKey?: string
}

/** Makes its secrets in a folder, and gives the environment that leads it there. */
export async function surroundHa(
  folder: string,
  {
    state = 'postgres://holdfast:x@127.0.0.1:1/postgres',
    redis = 'sentinel://:x@127.0.0.1:1/mymaster',
    endpoint = 'http://127.0.0.1:1',
    accessKey = 'id',
    secretKey = 'secret',
  }: Surroundings = {},
): Promise<Readonly<Record<string, string>>> {
  const { id, text } = await newAgeKey(Date.UTC(2026, 10, 20) as Instant)
  const files = {
    state,
    redis,
    token: 'a token that is long enough',
    's3-id': accessKey,
    's3-secret': secretKey,
    'age.key': text.reveal(),
  }
  await mkdir(folder)
  for (const [name, body] of Object.entries(files)) {
    await writeFile(join(folder, name), `${body}\n`, { mode: 0o600 })
  }
  return { SECRETS: folder, RECIPIENT: id, S3_ENDPOINT: endpoint, LEDGER_SECONDS: '1' }
}
