import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import type { Environment } from './interpolate.ts'

const TIME_LIMIT = 2000

/**
 * The commit checked out where the file lies, when it holds exactly these bytes of it; null when the
 * file lies in no work tree, was changed since, or git cannot tell.
 */
export async function commitOf(
  path: string,
  bytes: Uint8Array,
  env: Environment,
): Promise<string | null> {
  const [commit, blob] = await revisions(dirname(path), `HEAD:./${basename(path)}`, env)
  if (commit === undefined || blob === undefined) return null
  const algorithm = blob.length === 64 ? 'sha256' : 'sha1'
  const hash = createHash(algorithm).update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
  return hash === blob ? commit : null
}

function revisions(folder: string, object: string, env: Environment): Promise<readonly string[]> {
  const { PATH = '', HOME = '' } = env
  // Only these: GIT_DIR and its like would speak of another repository.
  const options = { cwd: folder, timeout: TIME_LIMIT, env: { PATH, HOME, LC_ALL: 'C' } }
  return new Promise((done) => {
    execFile('git', ['rev-parse', 'HEAD', object], options, (error, stdout) => {
      done(error === null ? stdout.trim().split('\n') : [])
    })
  })
}
