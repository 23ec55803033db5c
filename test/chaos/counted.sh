#!/bin/sh
# counted.sh JOB FILE TICKS BYTES: the source of the chaos. Each attempt to back it up is written into
# FILE by itself, synced to the disk: `begin` and `end` with the job, the instance, an id of its own
# and the milliseconds since 1970, and between them a `tick` for each half second that it takes. What
# it gives to be archived is that id, and noise.
set -eu
id=$(cat /proc/sys/kernel/random/uuid)
note() { echo "$1 $2 $3 $id $(date +%s%3N)" >>"$4"; }
note begin "$1" "$HOLDFAST_INSTANCE" "$2"
sync "$2"
echo "$id"
head -c "$4" /dev/urandom
ticks=0
while [ "$ticks" -lt "$3" ]; do
  sleep 0.5
  ticks=$((ticks + 1))
  note tick "$1" "$HOLDFAST_INSTANCE" "$2"
done
note end "$1" "$HOLDFAST_INSTANCE" "$2"
sync "$2"
