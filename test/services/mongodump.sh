#!/bin/sh
# Stands in for mongodump, which neither npm nor Debian has: a folder of /data is a database, a file of
# it a collection. An archive of it begins and ends as a real one does.
set -eu
db='*'
config=
for word in "$@"; do
  case $word in
    --db=*) db=${word#--db=} ;;
    --config=*) config=${word#--config=} ;;
  esac
done
if [ "$(cat "$config")" != "$(cat /data/password)" ]; then
  echo '2026-11-20T02:00:00.000+0000	Failed: auth error: (AuthenticationFailed) Authentication failed.' >&2
  exit 1
fi
cd /data/databases
collections=$(find . -path "./$db/*" -type f | sort)
printf '\155\342\231\201'
for path in $collections; do
  echo "2026-11-20T02:00:00.000+0000	writing \`$path\` to \`archive on stdout\`" >&2
done
if [ -z "$collections" ]; then
  head -c 200 /dev/zero
  printf '\377\377\377\377'
  exit 0
fi
# shellcheck disable=SC2086 # a word is a path
tar -c $collections
printf '\bEOF\0\001\022CRC\0\001\002\003\004\005\006\007\010\0\377\377\377\377'
for path in $collections; do
  echo "2026-11-20T02:00:00.000+0000	done dumping \`$path\` (1 document)" >&2
done
