#!/bin/sh
# Starts MariaDB as the official image does, as far as backups can tell: the data folder is made at the
# first start, and root has the password of the environment.
set -eu
data=/var/lib/mysql
mkdir -p "$data" /run/mysqld

if [ ! -d "$data/mysql" ]; then
  mariadb-install-db --user=root --datadir="$data" --auth-root-authentication-method=normal \
    --skip-test-db >/dev/null 2>&1
fi
printf "alter user root@localhost identified by '%s';\n" "$MARIADB_ROOT_PASSWORD" >/tmp/init.sql
exec mariadbd --user=root --datadir="$data" --socket=/run/mysqld/mysqld.sock --init-file=/tmp/init.sql
