import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A name for the sources as they are now: any edit makes another, as does another set of packages. */
export function labelOf(root) {
  const hash = createHash('sha256')
  for (const path of filesOf(root)) {
    const { size, mtimeMs, ino } = statSync(path, { throwIfNoEntry: false }) ?? {}
    hash.update(`${path} ${size} ${mtimeMs} ${ino}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

function filesOf(root) {
  const own = ['package.json', 'package-lock.json', 'bin/build.mjs'].map((name) => join(root, name))
  const folders = ['schema', 'src'].map((name) => join(root, name))
  for (let at = 0; at < folders.length; at++) {
    for (const entry of readdirSync(folders[at], { withFileTypes: true })) {
      const path = join(folders[at], entry.name)
      if (entry.isDirectory()) folders.push(path)
      else own.push(path)
    }
  }
  return own
}
