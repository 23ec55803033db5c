#!/bin/sh
# The long kill storm: 1,000 rounds unless STORM_ROUNDS says otherwise, then the table of what was
# struck how often. STORM_SEED throws the same dice again, STORM_WORKSPACE plays one workspace alone,
# STORM_KEEP leaves the folders of a workspace that broke a law.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
STORM_ROUNDS="${STORM_ROUNDS:-1000}"
STORM_SEED="${STORM_SEED:-$(date +%s)}"
export PATH STORM_ROUNDS STORM_SEED
exec node node_modules/vitest/vitest.mjs run test/storm/storm.test.ts
