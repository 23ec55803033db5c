import { execFile, spawn } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/**
 * Images that tests make of the files of this machine, for there is no registry:
 * - `debian`: `debian:12`, a shell, coreutils, GNU tar and the like, as in `debian:bookworm-slim`.
 * - `busybox`: `busybox:1`, its tar among it.
 * - `postgres`: `postgres:15`, a real server with the entrypoint's words that matter.
 * - `mariadb`: `mariadb:10`, the same for MariaDB.
 */
export type ImageName = 'debian' | 'busybox' | 'postgres' | 'mariadb'

/** The part of an engine that is needed to fill it. */
interface Filled {
  readonly host: string
  docker(...args: readonly string[]): Promise<string>
}

const POSTGRES = '/usr/lib/postgresql/15'

/** What a shell script may want. */
const PROGRAMS = [
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

/** Adds images to an engine. */
export async function addImages(engine: Filled, names: readonly ImageName[]): Promise<void> {
  for (const name of names) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-image-'))
    try {
      await MAKERS[name](engine, folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

const MAKERS: Readonly<Record<ImageName, (engine: Filled, folder: string) => Promise<void>>> = {
  async debian(engine, folder) {
    await addAccounts(folder)
    const files = await withLibraries(await found(PROGRAMS))
    await importTar(engine, { folder, files, tag: 'debian:12', settings: ['CMD ["sh"]'] })
  },

  async busybox(engine, folder) {
    await mkdir(join(folder, 'bin'))
    await cp('/usr/bin/busybox', join(folder, 'bin/busybox'))
    const { stdout } = await exec('/usr/bin/busybox', ['--list'])
    const words = stdout.split('\n').filter((word) => word !== '' && word !== 'busybox')
    await Promise.all(words.map((word) => symlink('busybox', join(folder, 'bin', word))))
    await mkdir(join(folder, 'tmp'))
    const settings = ['ENV PATH=/bin', 'CMD ["sh"]']
    await importTar(engine, { folder, files: [], tag: 'busybox:1', settings })
  },

  async postgres(engine, folder) {
    await addAccounts(folder)
    await mkdir(join(folder, 'docker-entrypoint-initdb.d'))
    await mkdir(join(folder, 'usr/local/bin'), { recursive: true })
    const entrypoint = join(import.meta.dirname, 'postgres-entrypoint.sh')
    await cp(entrypoint, join(folder, 'usr/local/bin/docker-entrypoint.sh'))
    const { stdout } = await exec('find', [
      ...[`${POSTGRES}/bin`, `${POSTGRES}/lib`, '-type', 'f', '-not', '-name', 'llvmjit*'],
      ...['(', '-perm', '-u+x', '-o', '-name', '*.so*', ')'],
    ])
    const programs = [...(await found(PROGRAMS)), ...stdout.trimEnd().split('\n')]
    const trees = [POSTGRES, '/usr/share/postgresql/15', '/usr/share/zoneinfo', '/usr/lib/locale']
    const alone = (await withLibraries(programs)).filter((path) => !path.startsWith(POSTGRES))
    const files = [...alone, ...trees]
    const path = `${POSTGRES}/bin:/usr/local/bin:/usr/bin:/bin`
    const settings = [
      `ENV PATH=${path}`,
      'ENV PG_MAJOR=15',
      'ENV PGDATA=/var/lib/postgresql/data',
      'VOLUME /var/lib/postgresql/data',
      'EXPOSE 5432',
      'ENTRYPOINT ["docker-entrypoint.sh"]',
      'CMD ["postgres"]',
    ]
    await importTar(engine, { folder, files, tag: 'postgres:15', settings })
    // Of all that a Dockerfile says, an import does not take this.
    const dockerfile = join(folder, 'Dockerfile')
    await writeFile(dockerfile, 'FROM postgres:15\nSTOPSIGNAL SIGINT\n')
    await rm(join(folder, 'usr'), { recursive: true })
    await engine.docker('build', '--quiet', '--tag=postgres:15', folder)
  },

  async mariadb(engine, folder) {
    await addAccounts(folder)
    await mkdir(join(folder, 'usr/local/bin'), { recursive: true })
    const entrypoint = join(import.meta.dirname, 'mariadb-entrypoint.sh')
    await cp(entrypoint, join(folder, 'usr/local/bin/docker-entrypoint.sh'))
    const own = ['mariadb', 'mariadb-dump', 'mariadb-install-db', 'my_print_defaults', 'resolveip']
    const more = ['hostname', 'dirname', 'basename', 'tty', 'stty', 'touch']
    const programs = ['/usr/sbin/mariadbd', ...(await found([...PROGRAMS, ...own, ...more]))]
    const files = [...(await withLibraries(programs)), '/usr/share/mysql', '/usr/share/zoneinfo']
    const settings = ['VOLUME /var/lib/mysql', 'ENTRYPOINT ["docker-entrypoint.sh"]']
    await importTar(engine, { folder, files, tag: 'mariadb:10', settings })
  },
}

/** Accounts and folders that programs look for. */
async function addAccounts(folder: string): Promise<void> {
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
async function found(names: readonly string[]): Promise<readonly string[]> {
  const paths = names.map((name) => `/usr/bin/${name}`)
  const { stdout } = await exec('find', [...paths, '-maxdepth', '0'])
  return stdout.trimEnd().split('\n')
}

/** These files and the libraries that they load, with the links on the way to each. */
async function withLibraries(programs: readonly string[]): Promise<readonly string[]> {
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

interface Recipe {
  /** What is put on top of the machine's files. */
  readonly folder: string
  /** Files and folders of the machine. */
  readonly files: readonly string[]
  readonly tag: string
  /** Lines as of a Dockerfile. */
  readonly settings: readonly string[]
}

/** Streams files of this machine into an image of one layer. */
async function importTar(engine: Filled, { folder, files, tag, settings }: Recipe): Promise<void> {
  const rooted = files.map((file) => file.slice(1))
  const omitted = ['--exclude=llvmjit*', '--exclude=bitcode', '--exclude=right', '--exclude=posix']
  const packed = ['--create', '--numeric-owner', '--owner=0', '--group=0', ...omitted]
  const tar = spawn('tar', [...packed, '-C', '/', ...rooted, '-C', folder, '.'], {
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
