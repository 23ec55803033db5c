// Reads every module that a command may load into the cache of compiled code, and does nothing else.
import { glob } from 'node:fs/promises'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

enableCompileCache(process.argv[2])
const src = join(import.meta.dirname, '..', 'src')
for await (const file of glob('{{cli,config,http,notify,sources,state}/*,{leases,targets}/**/*}.ts', {
  cwd: src,
})) {
  await import(join(src, file))
}
for (const part of ['ajv/dist/2020.js', 'age-encryption', 'pg', 'ioredis', 'redlock', 'prom-client']) {
  await import(part)
}
process.argv[2] = '--version'
await import('../src/main.ts')
