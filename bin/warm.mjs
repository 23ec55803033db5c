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
for (const part of ['age-encryption', 'pg', 'ioredis', 'redlock', 'prom-client']) {
  await import(part)
}
const { validatorOf } = await import('../src/config/validator.ts')
const { readSchema } = await import('../src/config/schema.ts')
await validatorOf(readSchema())
await validatorOf(readSchema()) // reads what the first made
process.argv[2] = '--version'
await import('../src/main.ts')
