#!/bin/sh
# Starts PostgreSQL as the official image does, as far as backups can tell: the data folder is made at
# the first start, with the user, the password and the database of the environment.
set -eu
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")

case "${1:-}" in -*) set -- postgres "$@" ;; esac

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown postgres:postgres "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ "${1:-postgres}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] || {
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
    exit 1
  }
  (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password)
  initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync ${POSTGRES_INITDB_ARGS:-} >/dev/null
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  # Connections by the network come later, so that nobody takes this server for the real one.
  pg_ctl -w start -o "-c listen_addresses=''" >/dev/null
  [ "$POSTGRES_DB" = postgres ] ||
    psql -qX -U "$POSTGRES_USER" -d postgres -v name="$POSTGRES_DB" <<'SQL'
create database :"name"
SQL
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$file" ] ||
      psql -qX -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file" >/dev/null
  done
  pg_ctl -w -m fast stop >/dev/null
fi

if [ "${1:-postgres}" = postgres ]; then
  [ $# = 0 ] || shift
  set -- postgres -c 'listen_addresses=*' -c 'unix_socket_directories=/run/postgresql' "$@"
fi
exec "$@"
