#!/bin/sh
# Installs what is missing: npm packages by the lockfile, and with `tests` the Debian packages that
# the tests run. Says how long it took, so that it is not mistaken for the program's own time.
set -eu
cd "$(dirname "$0")/.."
began=$(date +%s)
did=''

stamp=node_modules/.holdfast-lock
if ! cmp -s package-lock.json "$stamp" 2>/dev/null || [ ! -x node_modules/.bin/node ]; then
  echo 'installing npm packages by the lockfile …' >&2
  npm ci --loglevel=error --no-progress >&2
  if [ ! -x node_modules/.bin/node ]; then
    echo "setup: there is no Node for $(uname -sm) in the lockfile; Linux on x86_64 or aarch64 has one" >&2
    exit 1
  fi
  cp package-lock.json "$stamp"
  did=yes
fi
# The first start after a change makes the program of the sources.
bin/holdfast --version >/dev/null

if [ "${1:-}" = tests ]; then
  missing=''
  for pair in setfacl:acl setfattr:attr age:age zstd:zstd pigz:pigz strace:strace sqlite3:sqlite3 \
    openssl:openssl git:git curl:curl mount:mount unshare:util-linux setpriv:util-linux script:bsdutils \
    ssh-agent:openssh-client /usr/sbin/sshd:openssh-server \
    ceph:ceph-common ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw memcached:memcached \
    swift-proxy-server:swift-proxy swift-account-server:swift-account \
    swift-container-server:swift-container swift-object-server:swift-object \
    /usr/lib/postgresql/15/bin/postgres:postgresql-15 psql:postgresql-client /usr/sbin/mariadbd:mariadb-server pgbouncer:pgbouncer \
    redis-server:redis-server promtool:prometheus \
    dockerd:docker.io iptables:iptables busybox:busybox-static; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
  done
  if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || { echo "the tests need root, to install$missing" >&2; exit 1; }
    echo "installing Debian packages:$missing …" >&2
    export DEBIAN_FRONTEND=noninteractive
    # The tests start servers of their own; the package would make a cluster for all of the machine.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      mkdir -p /etc/postgresql-common
      echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    # Nor does any other server start at once, where a machine would let it.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
      trap 'rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod +x "$policy"
    fi
    # What cannot be fetched from one list may stand in another: the install decides.
    apt-get -q update >/dev/null || echo 'setup: apt-get update failed' >&2
    # shellcheck disable=SC2086
    apt-get -q install -y --no-install-recommends $missing >/dev/null
    did=yes
  fi
fi

[ -z "$did" ] || echo "installed in $(($(date +%s) - began)) s" >&2
