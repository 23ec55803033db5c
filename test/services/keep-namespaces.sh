#!/bin/sh
# Keeps namespaces of processes, mounts and network in which a test's engine lives, until our stdin
# ends: it is a pipe from the test's process, so it ends however that does. Then the first process in
# there ends, the kernel kills all others with it, and what they leave outside is removed.
# Arguments: the folder of the engine, and the cgroup under which its containers are.
set -eu
folder=$1
cgroup=$2

exec 3<&0
unshare --fork --pid --net --mount --propagation slave --mount-proc -- tini -s -- sh -c '
  ip link set lo up
  # Sockets, locks, keys and plug-ins, for which an engine has fixed places.
  mount -t tmpfs none /run
  mount -t tmpfs none /opt
  mount -t tmpfs none /etc/docker
  echo ready
  exec cat >/dev/null' <&3 &
echo "namespaces of $!"
wait $! || :

for tree in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
  [ ! -d "$tree" ] || find "$tree" -depth -type d -exec rmdir {} +
done
rm -rf "$folder"
