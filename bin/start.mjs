// JavaScript, because the first TypeScript that is read loads the stripper, which is 20 MB and 30 ms.
// The cache is the installation's own: one in a shared /tmp would run what others put there.
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..')
const sources = join(root, 'src')
// As it was shipped, or made of the sources that are here; else these themselves.
const program = existsSync(sources)
  ? (await import('./made.mjs')).programOf(root)
  : join(root, 'dist')
enableCompileCache(join(program ?? join(root, '.programs', 'sources'), 'compiled'))
// A disk that hangs holds up to three threads for ever: the others must have some left. Not left in the
// environment, which our children inherit and the command that `restore --boot` becomes.
const isOurs = process.env.UV_THREADPOOL_SIZE === undefined
process.env.UV_THREADPOOL_SIZE ??= '16'
await stat(import.meta.dirname) // the pool is made when it is first used
if (isOurs) delete process.env.UV_THREADPOOL_SIZE
await import(program ? join(program, 'main.mjs') : join(sources, 'main.ts'))
