import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** The part of an engine that is needed to fill it. */
export interface Filled {
  readonly host: string
  docker(...args: readonly string[]): Promise<string>
}

/** What a shell script may want. */
export const PROGRAMS = [
  ...['bash', 'dash', 'sh', 'tar', 'gzip', 'zstd', 'grep', 'sed', 'find', 'xargs', 'setpriv', 'su'],
  ...['cat', 'chmod', 'chown', 'cp', 'cut', 'date', 'dd', 'df', 'du', 'env', 'false', 'head', 'id'],
  ...[
    'install',
    'kill',
    'ln',
    'ls',
    'md5sum',
    'mkdir',
    'mkfifo',
    'mktemp',
    'mv',
    'nice',
    'od',
    'ps',
  ],
  ...[
    'printenv',
    'printf',
    'pwd',
    'readlink',
    'realpath',
    'rm',
    'rmdir',
    'seq',
    'sha256sum',
    'sleep',
  ],
  ...['sort', 'stat', 'sync', 'tail', 'tee', 'test', 'timeout', 'touch', 'tr', 'true', 'truncate'],
  ...['uname', 'wc', 'yes', 'getfattr', 'setfattr'],
]

/** Accounts and folders that programs look for. */
export async function addAccounts(folder: string): Promise<void> {
  for (const name of ['etc', 'root', 'tmp', 'run', 'var/tmp', 'var/lib/postgresql/data']) {
    await mkdir(join(folder, name), { recursive: true })
  }
  for (const name of ['tmp', 'var/tmp']) await chmod(join(folder, name), 0o1777)
  const users = ['root:x:0:0:root:/root:/bin/sh', 'postgres:x:999:999::/var/lib/postgresql:/bin/sh']
  await writeFile(join(folder, 'etc/passwd'), `${users.join('\n')}\n`)
  await writeFile(join(folder, 'etc/group'), 'root:x:0:\npostgres:x:999:\n')
  await symlink('/run', join(folder, 'var/run'))
  await symlink('/usr/share/zoneinfo/Etc/UTC', join(folder, 'etc/localtime'))
}

/** Those of these programs that the machine has. */
export async function found(names: readonly string[]): Promise<readonly string[]> {
  const paths = names.map((name) => `/usr/bin/${name}`)
  const { stdout } = await exec('find', [...paths, '-maxdepth', '0'])
  return stdout.trimEnd().split('\n')
}

/** These files and the libraries that they load, with the links on the way to each. */
export async function withLibraries(programs: readonly string[]): Promise<readonly string[]> {
  // It fails for whatever is a script, and tells the libraries of all others.
  const told = await exec('ldd', [...programs], { maxBuffer: 2 ** 26 }).catch(
    (error: { readonly stdout: string }) => error,
  )
  const libraries = [...told.stdout.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map(([, path]) => path)
  const all = new Set<string>()
  for (const path of new Set([...programs, ...libraries, ...SCAFFOLD])) {
    if (path === undefined) continue
    all.add(join(await realpath(dirname(path)), basename(path)))
    if (!SCAFFOLD.includes(path)) all.add(await realpath(path))
  }
  return [...all]
}

/** Debian's links from the old places of programs and libraries into `/usr`. */
const SCAFFOLD = ['/bin', '/sbin', '/lib', '/lib64']

export interface Recipe {
  /** What is put on top of the machine's files. */
  readonly folder: string
  /** Files and folders of the machine. */
  readonly files: readonly string[]
  /** More words for the tar that packs them. */
  readonly words?: readonly string[]
  readonly tag: string
  /** Lines as of a Dockerfile. */
  readonly settings: readonly string[]
}

/** Streams files of this machine into an image of one layer. */
export async function importTar(
  engine: Filled,
  { folder, files, words = [], tag, settings }: Recipe,
): Promise<void> {
  const rooted = files.map((file) => file.slice(1))
  const omitted = ['--exclude=llvmjit*', '--exclude=bitcode', '--exclude=right', '--exclude=posix']
  const packed = ['--create', '--numeric-owner', '--owner=0', '--group=0', ...omitted]
  const tar = spawn('tar', [...packed, ...words, '-C', '/', ...rooted, '-C', folder, '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const changes = settings.flatMap((line) => ['--change', line])
  const docker = spawn('/usr/bin/docker', ['import', ...changes, '-', tag], {
    stdio: [tar.stdout, 'ignore', 'pipe'],
    env: { PATH: process.env.PATH ?? '', DOCKER_HOST: engine.host },
  })
  tar.stdout.destroy()
  const [packing, importing] = await Promise.all([ended(tar), ended(docker)])
  if (packing + importing !== '') throw new Error(`no image ${tag}: ${packing} ${importing}`)
}

/** What a program complained of before it failed; nothing when it succeeded. */
async function ended(child: ReturnType<typeof spawn>): Promise<string> {
  const said = child.stderr ? text(child.stderr) : ''
  const code = await new Promise((resolve) => child.once('exit', resolve))
  return code === 0 ? '' : `${await said} (${code})`
}
