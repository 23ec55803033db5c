// Makes one program of the modules of `src` in the folder that its word names, and reads it into the
// cache of compiled code: to find, open and link five hundred small files is half of what a short
// command costs, and 10 MB of a daemon.
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
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

const [folder] = process.argv.slice(2)
const root = join(import.meta.dirname, '..')
mkdirSync(dirname(folder), { recursive: true })
const beside = mkdtempSync(`${folder}.`)
try {
  await bundle(beside)
  // Whoever installs it is not whoever runs it.
  chmodSync(beside, 0o755)
  renameSync(beside, folder)
} catch (error) {
  rmSync(beside, { recursive: true, force: true })
  // Another process was quicker.
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}
// It takes the folder from our words.
await import('./compile.mjs')

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
