// Makes one program of the modules of `src`, and reads it into the cache of compiled code: to find,
// open and link five hundred small files is half of what a short command costs, and 10 MB of a daemon.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { enableCompileCache, flushCompileCache } from 'node:module'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { rolldown } from 'rolldown'

/** Packages of many small files that every command reads. Others stay where they are, and load as before. */
const MERGED = /^(?:kysely|yaml|commander|croner|fast-deep-equal)(?:\/|$)/
/** Programs of their own, which the main one starts by their place beside it. */
const CHILDREN = [
  'docker/relay',
  'platform/sqlite/sqlite-child',
  'platform/supervise',
  'stream/age-passphrase',
]
/** Older programs that stay: a daemon that runs on one may yet read a part of it. */
const KEPT = 8

const [folder] = process.argv.slice(2)
const root = join(import.meta.dirname, '..')
mkdirSync(dirname(folder), { recursive: true })
const beside = mkdtempSync(`${folder}.`)
try {
  await bundle(beside)
  renameSync(beside, folder)
} catch (error) {
  rmSync(beside, { recursive: true, force: true })
  // Another process was quicker.
  if (error.code !== 'ENOTEMPTY') throw error
}
removeOld(folder)
await compile(folder)

async function bundle(dir) {
  const paths = ['main', ...CHILDREN].map((name) => [basename(name), join(root, 'src', `${name}.ts`)])
  await using made = await rolldown({
    input: Object.fromEntries(paths),
    platform: 'node',
    external: (name) => /^[^./]/.test(name) && !MERGED.test(name),
    onLog: (_level, { message }) => {
      throw new Error(message)
    },
  })
  const names = { entryFileNames: '[name].mjs', chunkFileNames: 'part-[name].mjs' }
  await made.write({ dir, format: 'esm', ...names })
}

function removeOld(newest) {
  const cache = dirname(newest)
  const all = readdirSync(cache, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(cache, name))
  const byAge = all.sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs)
  for (const old of byAge.slice(KEPT)) rmSync(old, { recursive: true, force: true })
}

/** Every part, and the packages that a command may ask for; children run when they are read. */
async function compile(dir) {
  enableCompileCache(join(dir, 'compiled'))
  const parts = readdirSync(dir).filter((name) => name.startsWith('part-'))
  for (const part of parts) await import(join(dir, part))
  for (const name of ['age-encryption', 'pg', 'ioredis', 'redlock', 'prom-client']) await import(name)
  process.argv[2] = '--version'
  await import(join(dir, 'main.mjs'))
  flushCompileCache()
}
