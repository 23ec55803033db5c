// JavaScript, because the first TypeScript that is read loads the stripper, which is 20 MB and 30 ms.
// The cache is the installation's own: one in a shared /tmp would run what others put there.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { labelOf } from './label.mjs'

const root = join(import.meta.dirname, '..')
const packages = join(root, 'node_modules')

/** The folder of the program: as it was shipped, or as it is made of these sources at their first start. */
function programOf() {
  if (!existsSync(join(root, 'src'))) return join(root, 'dist')
  const folder = join(packages, '.cache', 'holdfast', labelOf(root))
  if (!existsSync(folder) && existsSync(join(packages, 'rolldown')) && isWritable(packages)) {
    const build = [...process.execArgv, join(import.meta.dirname, 'build.mjs'), folder]
    spawnSync(process.execPath, build, { timeout: 60_000 })
  }
  return existsSync(folder) ? folder : null
}

function isWritable(path) {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

const program = programOf()
enableCompileCache(join(program ?? join(packages, '.cache', 'holdfast', 'sources'), 'compiled'))
// A disk that hangs holds up to three threads for ever: the others must have some left. Not left in the
// environment, which our children inherit and the command that `restore --boot` becomes.
const isOurs = process.env.UV_THREADPOOL_SIZE === undefined
process.env.UV_THREADPOOL_SIZE ??= '16'
await stat(import.meta.dirname) // the pool is made when it is first used
if (isOurs) delete process.env.UV_THREADPOOL_SIZE
await import(program ? join(program, 'main.mjs') : '../src/main.ts')
