import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'

/** Older programs that stay: a daemon that runs on one may yet read a part of it. */
const KEPT = 8
/** Nothing that is made takes so long, in milliseconds: what is older was left by who was killed at it. */
const LEFT = 10 * 60_000

/** The folder of the program that is made of these sources, at their first start; null where none can be. */
export function programOf(root) {
  // Not among the packages, which an update may take away under a daemon that runs.
  const folder = join(root, '.programs', labelOf(root))
  if (!existsSync(folder) && existsSync(join(root, 'node_modules', 'rolldown')) && isWritable(root)) {
    const build = [...process.execArgv, join(import.meta.dirname, 'build.mjs'), folder]
    spawnSync(process.execPath, build, { timeout: 60_000 })
    if (existsSync(folder)) removeOld(dirname(folder))
  }
  return existsSync(folder) ? folder : null
}

/** Whatever keeps it from that is no reason not to start. */
function removeOld(programs) {
  const made = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  try {
    const names = readdirSync(programs).filter((name) => /^[0-9a-f]{16}$/.test(name))
    const all = names.map((name) => join(programs, name))
    for (const old of all.sort((one, other) => made(other) - made(one)).slice(KEPT)) {
      rmSync(old, { recursive: true, force: true })
    }
    for (const half of readdirSync(programs).filter((name) => /^[0-9a-f]{16}\./.test(name))) {
      const path = join(programs, half)
      if (Date.now() - made(path) > LEFT) rmSync(path, { recursive: true, force: true })
    }
  } catch {}
}

/** A name for the sources as they are now: any edit makes another, as does another set of packages. */
function labelOf(root) {
  const hash = createHash('sha256')
  for (const path of filesOf(root)) {
    const { size, mtimeMs, ino } = statSync(path, { throwIfNoEntry: false }) ?? {}
    hash.update(`${path} ${size} ${mtimeMs} ${ino}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

function filesOf(root) {
  const names = ['package.json', 'package-lock.json', 'bin/build.mjs', 'bin/compile.mjs']
  const own = names.map((name) => join(root, name))
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

function isWritable(path) {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
