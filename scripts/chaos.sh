#!/bin/sh
# The long chaos of many instances: 1,000 slots unless CHAOS_SLOTS says otherwise, in rounds of 200 over
# two deployments of three instances each, then the table of what struck how often and what came of it.
# CHAOS_SEED throws the same dice again, CHAOS_ONLY plays one deployment alone, by the name that a broken
# law tells, and CHAOS_KEEP names a folder for what its instances logged.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
CHAOS_SLOTS="${CHAOS_SLOTS:-1000}"
CHAOS_SEED="${CHAOS_SEED:-$(date +%s)}"
export PATH CHAOS_SLOTS CHAOS_SEED
exec node node_modules/vitest/vitest.mjs run test/chaos "$@"
