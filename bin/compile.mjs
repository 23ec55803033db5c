// Reads a program into the cache of compiled code beside it: the one in the folder that our word names,
// or else the one that was shipped. What is compiled serves the same Node with the same flags alone.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire, enableCompileCache, flushCompileCache } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..')
const shipped = join(root, 'dist')
const isShipped = existsSync(shipped)
const dir = isShipped ? shipped : process.argv[2]
// Where nobody may write later, all packages; else those that most commands come to.
const packages = isShipped
  ? Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies)
  : ['age-encryption', 'pg', 'ioredis', 'redlock', 'prom-client']
enableCompileCache(join(dir, 'compiled'))
// Every part; children run when they are read.
const parts = readdirSync(dir).filter((name) => name.startsWith('part-'))
for (const part of parts) await import(join(dir, part))
for (const name of packages) await import(name)
// Made when a config is first read.
const validator = join(root, 'node_modules', '.cache', 'holdfast', 'validator.cjs')
if (existsSync(validator)) createRequire(import.meta.url)(validator)
process.argv[2] = '--version'
await import(join(dir, 'main.mjs'))
flushCompileCache()
