#!/bin/sh
# Stands in for mongorestore: takes what the stand-in for mongodump writes.
set -eu
config=
for word in "$@"; do
  case $word in --config=*) config=${word#--config=} ;; esac
done
if [ "$(cat "$config")" != "$(cat /data/password)" ]; then
  echo 'Failed: (AuthenticationFailed) Authentication failed.' >&2
  exit 1
fi
head -c 4 | od -An -tx1 | grep -q '6d e2 99 81'
tar -x -C /data/databases
