import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Where it finds the packages that Holdfast has. */
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache')
mkdirSync(CACHE, { recursive: true })
const folder = mkdtempSync(join(CACHE, 'preload-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/**
 * What `node --import` reads first in a process that is to be struck, as JavaScript: a process that had
 * to load the stripper of types would be another than the one that users have.
 */
function preloadOf(name: string): string {
  const file = join(folder, `${name}.mjs`)
  const types = readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8')
  writeFileSync(file, stripTypeScriptTypes(types))
  return pathToFileURL(file).href
}

export const KILL_AT = preloadOf('kill-at')
export const CLOCK_AT = preloadOf('clock-at')
