// Half the memory and a third of the start are the reading of our own modules. JavaScript, because
// the first TypeScript that is not in the cache loads the stripper, which is 20 MB and 30 ms. The
// folder is the installation's own: a cache in a shared /tmp would run what others put there.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { constants, enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

const folder = join(import.meta.dirname, '..', 'node_modules', '.cache', 'holdfast')
const isNew = !existsSync(folder)
const { status } = enableCompileCache(folder)
// The first start of an installation: another process reads everything, so that this one, which may
// be a daemon and stay for months, never holds the stripper. Flags are part of the cache's key.
if (isNew && status === constants.compileCacheStatus.ENABLED) {
  spawnSync(process.execPath, [...process.execArgv, join(import.meta.dirname, 'warm.mjs'), folder], {
    timeout: 30_000,
  })
}
// A disk that hangs holds up to three threads for ever: the others must have some left. Not left in the
// environment, which our children inherit and the command that `restore --boot` becomes.
const isOurs = process.env.UV_THREADPOOL_SIZE === undefined
process.env.UV_THREADPOOL_SIZE ??= '16'
await stat(import.meta.dirname) // the pool is made when it is first used
if (isOurs) delete process.env.UV_THREADPOOL_SIZE
await import('../src/main.ts')
