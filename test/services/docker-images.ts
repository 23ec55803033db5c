import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
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

/**
 * Images that tests make of the files of this machine, for there is no registry:
 * - `debian`: `debian:12`, a shell, coreutils, GNU tar and the like, as in `debian:bookworm-slim`.
 * - `busybox`: `busybox:1`, its tar among it.
 * - `postgres`: `postgres:15`, a real server with the entrypoint's words that matter.
 * - `mariadb`: `mariadb:10`, the same for MariaDB.
 * - `redis`: `redis:7`, a real server, its data in `/data`.
 */
export type ImageName = 'debian' | 'busybox' | 'postgres' | 'mariadb' | 'redis'

const POSTGRES = '/usr/lib/postgresql/15'

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

  async redis(engine, folder) {
    await addAccounts(folder)
    await mkdir(join(folder, 'data'))
    const own = ['redis-server', 'redis-cli', 'redis-check-rdb']
    const files = await withLibraries(await found([...PROGRAMS, ...own]))
    const settings = ['WORKDIR /data', 'VOLUME /data', 'EXPOSE 6379', 'CMD ["redis-server"]']
    await importTar(engine, { folder, files, tag: 'redis:7', settings })
  },
}
