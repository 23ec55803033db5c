import type { ContainerSeen, MountSeen } from './surroundings.ts'

/** A database server that is dumped by its own client programs. */
export type DatabaseKind = 'postgres' | 'mysql' | 'mariadb' | 'mongo'

/** Repositories by their last part, or their last two; tags and registries do not matter. */
const IMAGES: readonly (readonly [DatabaseKind, RegExp])[] = [
  [
    'postgres',
    /(^|\/)(postgres|postgresql|postgis|timescaledb|timescaledb-ha|pgvector|pgvecto-rs|vchord-postgres|citus|paradedb|edb-postgres|crunchy-postgres|spilo(-\d+)?)$/,
  ],
  ['mariadb', /(^|\/)(mariadb|mariadb-galera)$/],
  ['mysql', /(^|\/)(mysql|mysql-server|percona|percona-server|percona-xtradb-cluster)$/],
  ['mongo', /(^|\/)(mongo|mongodb|mongodb-community-server|percona-server-mongodb)$/],
]

const FOLDERS: Readonly<Record<DatabaseKind, readonly string[]>> = {
  postgres: ['/var/lib/postgresql/data', '/bitnami/postgresql/data', '/home/postgres/pgdata/data'],
  mysql: ['/var/lib/mysql', '/bitnami/mysql/data'],
  mariadb: ['/var/lib/mysql', '/bitnami/mariadb/data'],
  mongo: ['/data/db', '/bitnami/mongodb/data/db'],
}

/** The database server that an image is known to be, or null. */
export function databaseOf({ image }: Pick<ContainerSeen, 'image'>): DatabaseKind | null {
  const repository = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
  return IMAGES.find(([, pattern]) => pattern.test(repository.toLowerCase()))?.[0] ?? null
}

/** The mount that a database server has its data on, or null: no server, or no mount there. */
export function dataMountOf(container: ContainerSeen): MountSeen | null {
  const kind = databaseOf(container)
  if (kind === null) return null
  const own = kind === 'postgres' ? container.words.PGDATA : undefined
  const folders = own?.startsWith('/') ? [own] : FOLDERS[kind]
  const [deepest] = container.mounts
    .filter(({ destination }) => folders.some((folder) => isWithin(folder, destination)))
    .toSorted((one, other) => other.destination.length - one.destination.length)
  return deepest ?? null
}

/** Whether `path` is `folder` or lies below it. Nothing counts as lying in `/`. */
export function isWithin(path: string, folder: string): boolean {
  const above = folder.replace(/\/+$/, '')
  return above !== '' && (path === above || path.startsWith(`${above}/`))
}
