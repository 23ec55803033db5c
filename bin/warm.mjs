// Reads every module that a command may load into the cache of compiled code, and does nothing else.
import { glob } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

enableCompileCache(process.argv[2])
const src = join(import.meta.dirname, '..', 'src')
for await (const file of glob('{cli,sources,targets,notify}/*.ts', { cwd: src })) {
  await import(join(src, file))
}
await import('ajv/dist/2020.js')
await import('age-encryption')
process.argv[2] = '--version'
await import('../src/main.ts')
