// A process that puts one object into a bucket and says `writing` once a part of it is there, to be
// killed: `node s3-child.ts OPTIONS FOLDER KEY TOKEN`. FOLDER remembers the uploads.
import { section } from '../../src/core/section.ts'
import { Secret } from '../../src/lib/secret.ts'
import { s3 } from '../../src/targets/s3/kinds.ts'
import { surroundings } from '../support/surroundings.ts'
import { fileLog } from './upload-log.ts'

const [options = '{}', folder = '', key = '', token = ''] = process.argv.slice(2)
const { access_key_id, secret_access_key, ...rest } = JSON.parse(options) as Record<string, string>
const secrets = {
  access_key_id: new Secret(access_key_id ?? ''),
  secret_access_key: new Secret(secret_access_key ?? ''),
}
const target = s3.configure(
  section('targets.child', { ...rest, ...secrets }),
  surroundings({ uploads: fileLog(folder) }),
)

async function* body() {
  for (let piece = 0; piece < 17; piece++) yield Buffer.alloc(1024 * 1024, piece)
  process.stdout.write('writing\n')
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}

await target.put(key, body(), { token }, new AbortController().signal)
