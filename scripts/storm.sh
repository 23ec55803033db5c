#!/bin/sh
# The long kill storm: 1,000 rounds over folders and 200 each over S3 and SSH, unless STORM_ROUNDS and
# STORM_FAR_ROUNDS say otherwise, then the tables of what was struck how often. A file of test/storm
# as argument plays that storm alone. STORM_SEED throws the same dice again, STORM_WORKSPACE plays one
# workspace alone, STORM_KEEP leaves the folders of a workspace that broke a law.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
STORM_ROUNDS="${STORM_ROUNDS:-1000}"
STORM_FAR_ROUNDS="${STORM_FAR_ROUNDS:-200}"
STORM_SEED="${STORM_SEED:-$(date +%s)}"
export PATH STORM_ROUNDS STORM_FAR_ROUNDS STORM_SEED
[ $# -gt 0 ] || set -- test/storm test/volume/storm test/volume/kill-restore test/cli/postgres-kill \
  test/sources/postgres-container
exec node node_modules/vitest/vitest.mjs run "$@"
