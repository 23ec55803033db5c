#!/bin/sh
# Everything that must hold before a change lands: installs what is missing, checks, tests.
# The last line is always `N passed, N failed`, also when it does not come to the tests.
set -eu
cd "$(dirname "$0")/.."
trap '[ $? = 0 ] || printf "\n0 passed, 1 failed\n"' EXIT
sh scripts/setup.sh tests
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
sh scripts/check.sh
trap - EXIT
exec node node_modules/vitest/vitest.mjs run "$@"
